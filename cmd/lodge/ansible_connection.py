# The connection plugin of Ansible that reaches containers with 'lodge exec' and 'lodge file', as the
# caller may: no sshd in the container, nothing listening. 'lodge inventory ansible --plugin' prints it.
from __future__ import annotations

DOCUMENTATION = """
name: lodge
short_description: run in Lodge's containers by lodge exec
description:
  - Runs commands and copies files by the command lodge.
options:
  lodge_name:
    description: name of the container
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: lodge_name
  lodge_project:
    description: its project
    default: default
    vars:
      - name: lodge_project
  remote_user:
    description: user inside the container
    default: root
    vars:
      - name: ansible_user
  executable:
    description: the shell that commands run in
    default: /bin/sh
    vars:
      - name: ansible_executable
  lodge_command:
    description: the program lodge
    default: lodge
    vars:
      - name: ansible_lodge_command
"""

import subprocess

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.common.text.converters import to_bytes, to_text
from ansible.plugins.connection import ConnectionBase

LODGE_FAILED = 125  # Lodge's own failure before the command ran


class Connection(ConnectionBase):
    transport = "lodge"
    has_pipelining = True

    def _connect(self):
        self._connected = True
        return self

    def _lodge(self, *args, stdin=None):
        argv = [self.get_option("lodge_command"), "--project", self.get_option("lodge_project"), *args]
        done = subprocess.run([to_bytes(a) for a in argv], input=stdin if stdin is not None else b"",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return done.returncode, done.stdout, done.stderr

    def exec_command(self, cmd, in_data=None, sudoable=True):
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        code, out, err = self._lodge("exec", self.get_option("lodge_name"), "-T", "--user",
                                     self.get_option("remote_user"), "--",
                                     self.get_option("executable"), "-c", cmd, stdin=in_data)
        # What Lodge refuses, as of a container that is stopped, has the refusal's own code.
        if code == LODGE_FAILED or code and not out and err.startswith(b"lodge: "):
            raise AnsibleConnectionFailure(to_text(err).strip())
        return code, out, err

    def _copy(self, *args):
        code, _, err = self._lodge("file", *args)
        if code != 0:
            raise AnsibleConnectionFailure(to_text(err).strip())

    def _inside(self, path):
        return self.get_option("lodge_name") + "/" + path.lstrip("/")

    def put_file(self, in_path, out_path):
        super().put_file(in_path, out_path)
        self._copy("push", in_path, self._inside(out_path))

    def fetch_file(self, in_path, out_path):
        super().fetch_file(in_path, out_path)
        self._copy("pull", self._inside(in_path), out_path)

    def close(self):
        self._connected = False
