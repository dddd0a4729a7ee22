"""An SMTP server for the tests, on aiosmtpd: STARTTLS, AUTH, and delivery into a maildir a user.

usage: smtpd.py PORT DIRECTORY (with cert.pem and key.pem). Any login with the password `test` is taken. Mail to
`name+anything@…` goes to DIRECTORY/boxes/name; mail to a name that begins with `nobody` is refused.
"""

import mailbox
import pathlib
import re
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

PORT, HOME = int(sys.argv[1]), pathlib.Path(sys.argv[2])


class Delivery:
    async def handle_RCPT(self, server, session, envelope, address, options):
        local = address.split("@")[0]
        if local.startswith("nobody"):
            return "550 5.1.1 no such user"
        if not re.fullmatch(r"[A-Za-z0-9+._-]{1,64}", local):
            return "553 5.1.3 not a name here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        for address in envelope.rcpt_tos:
            name = address.split("@")[0].split("+")[0].lower().strip(".")
            trace = f"Return-Path: <{envelope.mail_from}>\r\nDelivered-To: {address}\r\n"
            box_of(name).add(trace.encode() + envelope.original_content)
        return "250 2.0.0 taken"


def box_of(name):
    """The user's maildir. `Maildir(create=True)` fails where the IMAP server makes the same folder in that moment."""
    folder = HOME / "boxes" / name
    for part in ("tmp", "new", "cur"):
        (folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
    return mailbox.Maildir(folder, create=False)


def authenticate(server, session, envelope, mechanism, data):
    known = isinstance(data, LoginPassword) and data.password == b"test"
    return AuthResult(success=known, handled=known)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(HOME / "cert.pem", HOME / "key.pem")
controller = Controller(
    Delivery(),
    hostname="127.0.0.1",
    port=PORT,
    tls_context=context,
    require_starttls=False,
    auth_required=False,
    authenticator=authenticate,
    data_size_limit=64 << 20,
)
controller.start()
print("ready", flush=True)
threading.Event().wait()
