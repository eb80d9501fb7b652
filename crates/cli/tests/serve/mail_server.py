"""A mail server that keeps what it takes. usage: mail_server.py FOLDER TLS

TLS is none, starttls or implicit; FOLDER has server.pem and server.key then, and a login is needed (crabwalk, "secret word").
Mail to later@… is refused twice for now, mail to never@… for good.
"""

import pathlib
import ssl
import sys
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

folder, tls = pathlib.Path(sys.argv[1]), sys.argv[2]


class Keeping:
    def __init__(self):
        self.count = 0
        self.refused = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("never@"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("later@") and self.refused < 2:
            self.refused += 1
            return "451 4.7.1 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        part = folder / "mail.part"
        encrypted = "encrypted" if server.transport.get_extra_info("ssl_object") else "plain"
        head = f"{encrypted} {session.auth_data} {' '.join(envelope.rcpt_tos)}\r\n"
        part.write_bytes(head.encode() + envelope.content)
        part.rename(folder / f"{self.count}.eml")
        return "250 OK"


def login(server, session, envelope, mechanism, data):
    is_right = (data.login, data.password) == (b"crabwalk", b"secret word")
    return AuthResult(success=is_right, handled=is_right, auth_data="crabwalk" if is_right else None)


options = {}
if tls != "none":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    options = {"authenticator": login, "auth_required": True}
    if tls == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    else:
        # The connection is encrypted before SMTP begins, which the library does not see.
        options |= {"ssl_context": context, "auth_require_tls": False}


class Here(Controller):
    # A port that the system chooses.
    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


controller = Here(Keeping(), hostname="127.0.0.1", port=0, **options)
controller.start()
print(controller.port, flush=True)
while True:
    time.sleep(60)
