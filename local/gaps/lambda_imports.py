"""A function's process imports botocore only if the function does.

ministack 1.5.33 imports botocore in each process before the handler, so that requests to other
functions have the depth of the call. That takes 60 ms, half of the start of a function without a
client. Here it is imported when the function imports `botocore.session`, without which there is no
client.
"""

from ministack.core import lambda_runtime

_UPSTREAM = "\n    _ms_install_invoke_depth()\n"
_WITH_A_CLIENT = """
    class _BeforeClients:
        def find_spec(self, name, path=None, target=None):
            if name == "botocore.session":
                # A new list: imports, this one too, are going through the old one.
                sys.meta_path = [finder for finder in sys.meta_path if finder is not self]
                _ms_install_invoke_depth()

    sys.meta_path.insert(0, _BeforeClients())
"""


def worker_script(upstream: str) -> str:
    if upstream.count(_UPSTREAM) != 1:
        raise RuntimeError(
            f"ministack's Python worker no longer calls {_UPSTREAM.strip()} in one place."
        )
    return upstream.replace(_UPSTREAM, _WITH_A_CLIENT)


def install() -> None:
    lambda_runtime._PYTHON_WORKER_SCRIPT = worker_script(lambda_runtime._PYTHON_WORKER_SCRIPT)
