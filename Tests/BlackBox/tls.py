"""Certificates, and connections that check them."""

import datetime
import ipaddress
import socket
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from wire import Connection

NAMES = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]


class Issued:
    """A certificate with its private key."""

    def __init__(self, name, issuer=None, is_authority=False, key=None):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        parent = issuer or self
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(self.subject).issuer_name(
            parent.subject).public_key(self.key.public_key()).serial_number(
            x509.random_serial_number()).not_valid_before(
            now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
        builder = builder.add_extension(
            x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        if not is_authority:
            builder = builder.add_extension(x509.SubjectAlternativeName(NAMES), critical=False)
        self.certificate = builder.sign(parent.key, hashes.SHA256())

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self):
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption())


class Authority:
    """A root that clients trust, and one between it and what it issues."""

    def __init__(self):
        self.root = Issued("Test root", is_authority=True)
        self.between = Issued("Test intermediate", self.root, is_authority=True)

    def issue(self, folder, algorithm="ec"):
        """Writes a new certificate with its chain, and its key; what the files are called."""
        key = rsa.generate_private_key(
            public_exponent=65537, key_size=2048) if algorithm == "rsa" else None
        made = Issued("localhost", self.between, key=key)
        certificate, private = folder / "chain.pem", folder / "key.pem"
        certificate.write_bytes(made.pem + self.between.pem)
        private.write_bytes(made.key_pem)
        return certificate, private, made.certificate.serial_number

    def context(self, *protocols, least=None, most=None):
        made = ssl.create_default_context(cadata=self.root.pem.decode("ascii"))
        if protocols:
            made.set_alpn_protocols(list(protocols))
        if least:
            made.minimum_version = least
        if most:
            made.maximum_version = most
        return made


class SecureConnection(Connection):
    """The strict client over TLS; names and chains are checked."""

    def __init__(self, broker, context, timeout=10.0):
        plain = socket.create_connection((broker.host, broker.port), timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        try:
            self.socket = context.wrap_socket(plain, server_hostname="localhost")
        except BaseException:
            plain.close()
            raise

    @property
    def serial_number(self):
        """Of the certificate that was shown."""
        shown = x509.load_der_x509_certificate(self.socket.getpeercert(True))
        return shown.serial_number
