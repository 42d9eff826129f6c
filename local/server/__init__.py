"""The server of the local AWS: ministack with the gaps filled, behind two checks of each request.

`guard.py` refuses requests from other web pages. `authentication.py` refuses invalid signatures.
"""
