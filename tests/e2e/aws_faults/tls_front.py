"""TLS before a server that has none: tls_front.py CERTIFICATE KEY PORT; prints the port that it listens on."""
import socket
import ssl
import sys
import threading

certificate, key, port = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)


def pump(source, sink):
    try:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(connection):
    try:
        near = context.wrap_socket(connection, server_side=True)
    except OSError:
        return  # the client did not like the certificate
    far = socket.create_connection(("127.0.0.1", int(port)))
    threading.Thread(target=pump, args=(far, near), daemon=True).start()
    pump(near, far)


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
