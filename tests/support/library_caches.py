"""Do once a process what botocore and moto do again for each session, client and mock.

Tests on moto begin with a new session, new clients and a new mock. With one table, that took 23 ms
of CPU time; with what is kept here, 12 ms. That depends on the libraries alone: no response, no
state of a mock.
"""

import sys
from collections import defaultdict
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

import botocore.auth
import botocore.client
import botocore.hooks
import botocore.httpsession
import botocore.regions
import botocore.session
import botocore.useragent
import moto.core.models
import moto.core.responses
from moto.core.base_backend import AccountSpecificBackend, BaseBackend
from moto.core.serialize import XFormedAttributePicker
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser, Node

_canonical_request = botocore.auth.SigV4Auth.canonical_request
_create_methods = botocore.client.ClientCreator._create_methods
_create_loader = botocore.session.create_loader
_accepts_kwargs = botocore.hooks.accepts_kwargs
_create_event_names = botocore.hooks.EventAliaser.__init__
_create_tls_context = botocore.httpsession.create_urllib3_context
_create_endpoint_provider = botocore.regions.EndpointProvider
_method_names = moto.core.responses.method_names_from_class
_enable = moto.core.models.MockAWS._enable_patching
_generate_regions = AccountSpecificBackend._generate_regions
_sanitize_user_agent = botocore.useragent.sanitize_user_agent_string_component
_find_urls = BaseBackend.urls.fget
_pick_member = XFormedAttributePicker.__call__
_read: dict[str | None, dict[Any, Any]] = defaultdict(dict)
_event_names: dict[str, str] = {}
_endpoint_providers: dict[int, tuple[Any, Any]] = {}  # with the rules, so that these stay
_methods: dict[str, Any] = {}  # by service
_responses: dict[str, list[Any]] = {}  # by method
_regions: dict[str, Any] = {}
_urls: dict[type, Any] = {}
_of_nodes: dict[tuple[type, type], tuple[bool, bool]] = {}
_names_in_dicts: dict[tuple[int, str], tuple[Any, list[str]]] = {}  # with the shape, likewise


def share() -> None:
    """Let all sessions, clients and mocks of this process share what one of them has prepared."""
    botocore.auth.SigV4Auth.canonical_request = _canonical_request_unless_mocked
    botocore.client.ClientCreator._create_methods = _kept_methods
    botocore.session.create_loader = _sharing_loader
    botocore.hooks.accepts_kwargs = _kept_accepts_kwargs
    botocore.hooks.EventAliaser.__init__ = _sharing_event_names
    botocore.httpsession.create_urllib3_context = cache(_create_tls_context)
    botocore.regions.EndpointProvider = _kept_endpoint_provider
    moto.core.models.MockAWS._enable_patching = _enable_patching
    AccountSpecificBackend._generate_regions = _kept_regions
    moto.core.responses.method_names_from_class = cache(_method_names)
    botocore.useragent.sanitize_user_agent_string_component = cache(_sanitize_user_agent)
    BaseBackend.urls = property(_kept_urls)
    XFormedAttributePicker.__call__ = _pick
    DepthFirstTraverser.traverse_node_recursively = _traverse
    sys.modules.setdefault("moto.batch", _batch())


def _batch() -> ModuleType:
    """The package moto.batch, which imports its models only when somebody uses them.

    moto's Step Functions engine takes an enumeration from it; its models import all of EC2, which
    takes longer than everything else of the engine.
    """
    package = ModuleType("moto.batch")
    package.__path__ = [str(Path(moto.__file__).parent / "batch")]

    def of_models(name: str) -> Any:
        if name.startswith("__"):  # others look at every module
            raise AttributeError(name)
        return getattr(import_module("moto.batch.models"), name)

    package.__getattr__ = of_models  # type: ignore[method-assign]
    return package


def _canonical_request_unless_mocked(auth: Any, request: Any) -> Any:
    """Moto reads no signature, so it does not matter what is signed. Links are signed as ever."""
    signs_a_header = type(auth) in (botocore.auth.SigV4Auth, botocore.auth.S3SigV4Auth)
    if signs_a_header and moto.core.models.botocore_stubber.enabled:
        return ""
    return _canonical_request(auth, request)


def _kept_methods(creator: Any, service_model: Any) -> Any:
    """Create the methods of a service's clients only once."""
    service = service_model.service_name
    if service not in _methods:
        _methods[service] = _create_methods(creator, service_model)
    return dict(_methods[service])


def _sharing_loader(search_path: str | None = None) -> Any:
    """Read the descriptions of services and endpoints only once."""
    loader = _create_loader(search_path)
    loader._cache = _read[search_path]
    return loader


def _sharing_event_names(aliaser: Any, event_emitter: Any, event_aliases: Any = None) -> None:
    """Translate the name of an event only once."""
    _create_event_names(aliaser, event_emitter, event_aliases)
    if event_aliases is None:
        aliaser._alias_name_cache = _event_names


def _kept_accepts_kwargs(function: Any) -> Any:
    """Look at the signature of a handler of events only once."""
    if type(function) is MethodType:  # it would keep its client
        function = function.__func__
    return _of_function(function) if type(function) is FunctionType else _accepts_kwargs(function)


_of_function = cache(_accepts_kwargs)


def _kept_endpoint_provider(ruleset_data: Any, **given: Any) -> Any:
    """Build the rules of a service's endpoints only once for each set of rules that was read."""
    rules, provider = _endpoint_providers.get(id(ruleset_data), (None, None))
    if rules is not ruleset_data:
        provider = _create_endpoint_provider(ruleset_data=ruleset_data, **given)
        _endpoint_providers[id(ruleset_data)] = ruleset_data, provider
    return provider


def _enable_patching(mock: Any, reset: bool = True) -> None:
    """Build moto's responses to 1,300 patterns of addresses only once; each mock registers them."""
    responses = moto.core.models.responses_mock
    if reset and not _responses:
        _enable(mock)
        _responses.update({method: [*of] for method, of in responses._registry._registered.items()})
        return
    moto.core.models.botocore_stubber.enabled = True
    if reset:
        mock.reset()
    responses.start()
    for method, prepared in _responses.items():
        responses._registry._registered[method].extend(prepared)


def _kept_regions(backend: Any, service_name: str) -> Any:
    """Look up only once in which regions a service is."""
    if service_name not in _regions:
        _regions[service_name] = _generate_regions(backend, service_name)
    return _regions[service_name]


def _kept_urls(backend: Any) -> Any:
    """Put together only once which functions of moto respond to which addresses of a service."""
    if type(backend) not in _urls:
        _urls[type(backend)] = _find_urls(backend)
    return _urls[type(backend)]


def _pick(picker: Any, context: Any) -> Any:
    """Look only once for the names under which moto may have kept a member of a response.

    For an object, they depend on its class; nearly all responses are dictionaries.
    """
    if type(context.obj) is not dict or picker.response_transformers:
        return _pick_member(picker, context)
    shape, names = _names_in_dicts.get((id(context.shape), context.key), (None, []))
    if shape is not context.shape:
        names = list(dict.fromkeys(picker.get_possible_keys(context)))
        _names_in_dicts[id(context.shape), context.key] = context.shape, names
    return next((context.obj[name] for name in names if name in context.obj), None)


def _traverse(traverser: Any, node: Any, index: int = -1) -> Any:
    """Moto's method, but it decides only once for each class of nodes whether it processes them.

    Moto goes through each update expression a dozen times.
    """
    classes = type(traverser), type(node)
    if classes not in _of_nodes:
        is_node = isinstance(node, Node)
        _of_nodes[classes] = (
            is_node,
            is_node and isinstance(node, traverser.nodes_to_be_processed()),
        )
    is_node, is_processed = _of_nodes[classes]
    if not is_node:
        return node
    parent = node.parent
    for child_index, child in enumerate(node.children or ()):
        traverser.pre_processing_of_child(node, child_index)
        _traverse(traverser, child, child_index)
    if is_processed:
        node = traverser.process(node)
        node.parent = parent
        if parent:
            parent.children[index] = node
    return node
