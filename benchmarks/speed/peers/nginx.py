"""nginx with one worker, as a plain reverse proxy with kept connections."""

import shutil
import subprocess
from urllib.parse import urlsplit

from benchmarks.installed import Unavailable
from benchmarks.programs import free_port
from benchmarks.speed.peers.one_program import OneProgram
from benchmarks.speed.peers.peer import CREATE, FORWARDED, House

CONFIG = """
daemon off; master_process off; pid {place}/nginx.pid; error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {place}/b; proxy_temp_path {place}/p;
  fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
  keepalive_requests 100000000;
  upstream stub {{ server {upstream}; keepalive 128; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location = /healthz {{ return 200; }}
    location / {{ proxy_pass http://stub; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


class Nginx(OneProgram):
    """Passes everything on."""

    name: str = "nginx"
    loads: tuple[str, ...] = (FORWARDED, CREATE)

    def __init__(self) -> None:
        super().__init__()
        self._binary = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")

    def version(self) -> str:
        """Name the version of the nginx that is installed."""
        if self._binary is None:
            raise Unavailable("nginx is not installed")
        said = subprocess.run([self._binary, "-v"], capture_output=True, text=True, check=True).stderr
        return f"{said.strip().rpartition('/')[2]}, 1 process, proxy_pass: no key, no limit, no log"

    async def start(self, house: House) -> None:
        """Write the configuration and start."""
        port, file = free_port(), house.place / "nginx.conf"
        file.write_text(CONFIG.format(place=house.place, port=port, upstream=urlsplit(house.upstream).netloc))
        words = [str(self._binary), "-c", str(file), "-p", str(house.place)]
        await self._run(house, port, words, "/healthz")
