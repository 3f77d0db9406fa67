# Pushes an artifact of two files to a registry and pulls it back: HOST FOLDER BACK. Prints the digest that was answered.
import os
import sys

import oras.client

host, folder, back = sys.argv[1:4]
client = oras.client.OrasClient(hostname=host, tls_verify=True)
target = f"{host}/python/artifact:v1"
os.chdir(folder)
answer = client.push(target=target, files=["one.txt:text/plain", "two.bin:application/octet-stream"])
client.pull(target=target, outdir=back)
assert client.get_tags(f"{host}/python/artifact") == ["v1"]
print(answer.headers["Docker-Content-Digest"])
