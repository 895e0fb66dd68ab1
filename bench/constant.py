"""A Flask app that answers a constant, under the very gunicorn the webhook has: what the machine and stack allow."""

from __future__ import annotations

import ssl
import sys
from typing import Any

from flask import Flask, Response, request
from gunicorn.app.base import BaseApplication

from gate.webhook.server import KEEPALIVE, MAX_REVIEWS

ANSWER = b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"x","allowed":true}}'


def create() -> Flask:
    app = Flask("constant", static_folder=None)

    @app.post("/validate")
    def validate() -> Response:
        request.get_data(cache=False)
        return Response(ANSWER, mimetype="application/json")

    @app.get("/readyz")
    def readyz() -> Response:
        return Response("ok")

    return app


class Constant(BaseApplication):  # type: ignore[misc]
    def __init__(self, listen: str, certificate: str, key: str) -> None:
        self.options = (listen, certificate, key)
        super().__init__()

    def load_config(self) -> None:
        listen, certificate, key = self.options
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(certificate, key)

        def ssl_context(_config: object, _default: object) -> ssl.SSLContext:
            return context

        options = {
            "bind": listen, "workers": 2, "threads": MAX_REVIEWS, "worker_class": "gthread", "keepalive": KEEPALIVE,
            "certfile": certificate, "keyfile": key, "ssl_context": ssl_context, "control_socket_disable": True,
            "http_parser": "auto", "accesslog": None, "loglevel": "warning",
        }  # fmt: skip
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return create()


if __name__ == "__main__":
    Constant(*sys.argv[1:4]).run()
