"""Do once a process what botocore and moto do again for each session, client and mock.

Tests on moto begin with a new session, new clients and a new mock. With one table, that took 15 ms
of CPU time; with what is kept here, 3 ms. That depends on the libraries alone: no response, no
state of a mock.
"""

import sys
from collections import defaultdict
from copy import copy
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

import botocore.auth
import botocore.client
import botocore.handlers
import botocore.hooks
import botocore.httpsession
import botocore.regions
import botocore.session
import botocore.useragent
import moto.core.models
import moto.core.responses
from botocore.compat import get_current_datetime
from botocore.exceptions import NoCredentialsError
from botocore.model import ServiceModel
from moto.core.base_backend import AccountSpecificBackend, BaseBackend
from moto.core.serialize import XFormedAttributePicker
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser, Node

_sign = botocore.auth.SigV4Auth.add_auth
_create_methods = botocore.client.ClientCreator._create_methods
_load_service_model = botocore.client.ClientCreator._load_service_model
_create_loader = botocore.session.create_loader
_register_builtin_handlers = botocore.session.Session._register_builtin_handlers
_remove_item = botocore.hooks._PrefixTrie.remove_item
_accepts_kwargs = botocore.hooks.accepts_kwargs
_create_event_names = botocore.hooks.EventAliaser.__init__
_create_tls_context = botocore.httpsession.create_urllib3_context
_create_endpoint_provider = botocore.regions.EndpointProvider
_method_names = moto.core.responses.method_names_from_class
_enable = moto.core.models.MockAWS._enable_patching
_generate_regions = AccountSpecificBackend._generate_regions
_sanitize_user_agent = botocore.useragent.sanitize_user_agent_string_component
_update_user_agent = botocore.useragent.UserAgentString.rebuild_and_replace_user_agent_handler
_find_urls = BaseBackend.urls.fget
_pick_member = XFormedAttributePicker.__call__
_read: dict[str | None, dict[Any, Any]] = defaultdict(dict)
_event_names: dict[str, str] = {}
_builtin_handlers: dict[int, Any] = {}  # by their number; moto adds one of its own
_service_models: dict[int, tuple[Any, Any]] = {}  # with the description, so that it stays
_endpoint_providers: dict[int, tuple[Any, Any]] = {}  # with the rules, likewise
_methods: dict[str, Any] = {}  # by service
_responses: dict[str, list[Any]] = {}  # by method
_regions: dict[str, Any] = {}
_urls: dict[type, Any] = {}
_of_nodes: dict[tuple[type, type], tuple[bool, bool]] = {}
_names_in_dicts: dict[tuple[int, str], tuple[Any, list[str]]] = {}  # with the shape, likewise


def share() -> None:
    """Let all sessions, clients and mocks of this process share what one of them has prepared."""
    botocore.auth.SigV4Auth.add_auth = _sign_unless_mocked
    botocore.client.ClientCreator._create_methods = _kept_methods
    botocore.client.ClientCreator._load_service_model = _kept_service_model
    botocore.session.create_loader = _sharing_loader
    botocore.session.Session._register_builtin_handlers = _kept_builtin_handlers
    botocore.hooks._PrefixTrie.__copy__ = _copy_handlers
    botocore.hooks._PrefixTrie.append_item = _append_handler
    botocore.hooks._PrefixTrie.remove_item = _remove_handler
    botocore.hooks.accepts_kwargs = _kept_accepts_kwargs
    botocore.hooks.EventAliaser.__init__ = _sharing_event_names
    botocore.httpsession.create_urllib3_context = cache(_create_tls_context)
    botocore.regions.EndpointProvider = _kept_endpoint_provider
    moto.core.models.MockAWS._enable_patching = _enable_patching
    AccountSpecificBackend._generate_regions = _kept_regions
    moto.core.responses.method_names_from_class = cache(_method_names)
    botocore.useragent.sanitize_user_agent_string_component = cache(_sanitize_user_agent)
    botocore.useragent.UserAgentString.rebuild_and_replace_user_agent_handler = (
        _update_user_agent_unless_mocked
    )
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


def _sign_unless_mocked(auth: Any, request: Any) -> None:
    """Moto reads no signature, only who signs for which region. Links are signed as ever."""
    signs_a_header = type(auth) in (botocore.auth.SigV4Auth, botocore.auth.S3SigV4Auth)
    if not signs_a_header or not moto.core.models.botocore_stubber.enabled:
        _sign(auth, request)
        return
    if auth.credentials is None:
        raise NoCredentialsError
    now = get_current_datetime()
    request.context["timestamp"] = now.strftime(botocore.auth.SIGV4_TIMESTAMP)
    auth._modify_request_before_signing(request)
    request.headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}"


def _update_user_agent_unless_mocked(
    agent: Any, operation_name: str, request: Any, **_: Any
) -> None:
    """Moto does not read which features of botocore a request uses."""
    if not moto.core.models.botocore_stubber.enabled:
        _update_user_agent(agent, operation_name, request)


def _kept_methods(creator: Any, service_model: Any) -> Any:
    """Create the methods of a service's clients only once."""
    service = service_model.service_name
    if service not in _methods:
        _methods[service] = _create_methods(creator, service_model)
    return dict(_methods[service])


def _kept_service_model(creator: Any, service_name: str, api_version: Any = None) -> ServiceModel:
    """Look at the description of a service's operations and shapes only once."""
    description = creator._loader.load_service_model(
        service_name, "service-2", api_version=api_version
    )
    kept, model = _service_models.get(id(description), (None, None))
    if kept is not description:
        model = _load_service_model(creator, service_name, api_version)
        _service_models[id(description)] = description, model
    return model


def _sharing_loader(search_path: str | None = None) -> Any:
    """Read the descriptions of services and endpoints only once."""
    loader = _create_loader(search_path)
    loader._cache = _read[search_path]
    return loader


def _sharing_event_names(aliaser: Any, event_emitter: Any, event_aliases: Any = None) -> None:
    """Translate the name of an event only once."""
    _create_event_names(aliaser, event_emitter, event_aliases)
    if event_aliases is None or event_aliases == botocore.hooks.EVENT_ALIASES:
        aliaser._alias_name_cache = _event_names


def _kept_builtin_handlers(session: Any, events: Any) -> None:
    """Register botocore's own handlers of events only once; each session has a copy of them."""
    emitter = events._emitter
    number = len(botocore.handlers.BUILTIN_HANDLERS)
    if emitter._handlers._root["children"]:  # it has handlers of its own
        _register_builtin_handlers(session, events)
    elif number in _builtin_handlers:
        emitter._handlers = copy(_builtin_handlers[number])
    else:
        _register_builtin_handlers(session, events)
        _builtin_handlers[number] = copy(emitter._handlers)


# botocore copies the tree of all handlers for each client. Here, no node of a tree changes: what is
# registered gets new nodes, up to a new root, so that copies share the rest.


def _copy_handlers(tree: Any) -> Any:
    copied = type(tree)()
    copied._root = tree._root
    return copied


def _append_handler(tree: Any, key: str, value: Any, section: int = 1) -> None:
    tree._root = _with_handler(tree._root, key.split("."), value, section)


def _with_handler(node: dict[str, Any], parts: list[str], value: Any, section: int) -> Any:
    if not parts:
        handlers = copy(node["values"] or botocore.hooks.NodeList([], [], []))
        handlers[section].append(value)
        return node | {"values": handlers}
    part, *rest = parts
    child = node["children"].get(part) or {"chunk": part, "values": None, "children": {}}
    changed = _with_handler(child, rest, value, section)
    return node | {"children": node["children"] | {part: changed}}


def _remove_handler(tree: Any, key: str, value: Any) -> None:
    tree._root = tree._recursive_copy(tree._root)
    _remove_item(tree, key, value)


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
