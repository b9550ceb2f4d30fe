#!/usr/bin/env python3
"""What a FIDO2 key comes to, from the specifications alone: age-plugin-fido2-hmac's version 2, age-encryption.org/v1, BIP 173,
RFC 5869, RFC 8032 and docs/format.md. Knows nothing of tapvault's code. Prints vectors.json."""

import base64
import hashlib
import hmac
import json
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def polymod(values):
    residue = 1
    for value in values:
        top = residue >> 25
        residue = (residue & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            if top >> bit & 1:
                residue ^= generator
    return residue


def bech32(prefix, data):
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    words = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    residue = polymod(expanded + words + [0] * 6) ^ 1
    words += [residue >> 5 * (5 - place) & 31 for place in range(6)]
    return prefix + "1" + "".join(LETTERS[word] for word in words)


def hkdf(secret, info, salt=None):
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=info).derive(secret)


def raw(public):
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def plain64(data):
    return base64.b64encode(data).rstrip(b"=").decode()


def age_file(recipient, text, ephemeral, file_key, nonce):
    """One X25519 stanza and one chunk."""
    secret = X25519PrivateKey.from_private_bytes(ephemeral)
    share = raw(secret.public_key())
    shared = secret.exchange(X25519PublicKey.from_public_bytes(recipient))
    wrapping = hkdf(shared, b"age-encryption.org/v1/X25519", share + recipient)
    body = ChaCha20Poly1305(wrapping).encrypt(bytes(12), file_key, None)
    header = f"age-encryption.org/v1\n-> X25519 {plain64(share)}\n{plain64(body)}\n---".encode()
    mac = hmac.new(hkdf(file_key, b"header"), header, hashlib.sha256).digest()
    payload = ChaCha20Poly1305(hkdf(file_key, b"payload", nonce)).encrypt(bytes(11) + b"\x01", text, None)
    return header + f" {plain64(mac)}\n".encode() + nonce + payload


def vector(number, uv, credential_length):
    def some(what, length=32):
        stream = b"".join(hashlib.sha256(f"{what} {number} {part}".encode()).digest() for part in range(length // 32 + 1))
        return stream[:length]

    # The token's own secret; its outputs are HMACs with it (CTAP 2.1, 12.5).
    token, salt, credential = some("token"), some("salt"), some("credential", credential_length)
    second_salt = hashlib.sha256(b"tapvault fido2 voucher salt v1\n" + salt).digest()
    opening = hmac.new(token, salt, hashlib.sha256).digest()
    vouching = hmac.new(token, second_salt, hashlib.sha256).digest()
    recipient = raw(X25519PrivateKey.from_private_bytes(opening).public_key())
    signing = Ed25519PrivateKey.from_private_bytes(hkdf(vouching, b"tapvault key list v1"))
    verifier = raw(signing.public_key())
    version_and_pin_flag = bytes([0, 2, 1 if uv == "required" else 0])
    text = f"what vector {number} seals".encode()
    return {
        "uv": uv,
        "salt": salt.hex(),
        "credential": credential.hex(),
        "voucher_salt": second_salt.hex(),
        "opening_output": opening.hex(),
        "vouching_output": vouching.hex(),
        "recipient": bech32("age", recipient),
        "secret": bech32("age-secret-key-", opening).upper(),
        "identity": bech32("age-plugin-fido2-hmac-", version_and_pin_flag + salt + credential).upper(),
        "verifier": verifier.hex(),
        "proof": hkdf(opening, b"tapvault fido2 verifier v1" + verifier).hex(),
        "signature_over_list": signing.sign(b"tapvault key list v1\n" + b"{}").hex(),
        "file": age_file(recipient, text, some("ephemeral"), some("file key", 16), some("nonce", 16)).hex(),
        "text": text.decode(),
    }


json.dump(
    [vector(1, "required", 48), vector(2, "discouraged", 160), vector(3, "required", 700)], sys.stdout, indent=1
)
print()
