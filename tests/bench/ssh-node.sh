#!/bin/sh
# A stand-in of a node for `cargo xtask bench ssh`: a real OpenSSH server that sees this machine's files and writes to
# memory of its own. Runs as the first process of a mount and a process namespace; both end with it.
# Argument: a folder with sshd_config and what it names.
set -eu
here=$1
own=$here/own
mkdir -p "$own"
mount -t tmpfs node "$own"
for top in etc usr var; do
  mkdir "$own/$top" "$own/$top-work"
  mount -t overlay -o "lowerdir=/$top,upperdir=$own/$top,workdir=$own/$top-work" node "/$top"
done
mount -t tmpfs node /run
mount -t tmpfs node /root
mkdir -m 755 /run/sshd

# Where root's programs are looked for first.
program() {
  cat > "/usr/local/sbin/$1"
  chmod 755 "/usr/local/sbin/$1"
}

# As little as they can be: what they take, every way of joining takes.
program sudo << 'END'
#!/bin/sh
shift 2
exec "$@"
END
program systemctl << 'END'
#!/bin/sh
case $1 in
  show)
    case "$*" in
      *ExecMainStart*) cat /run/unit-started 2> /dev/null ;;
      *)
        if [ -e /run/unit-started ]; then echo ActiveState=active; else echo ActiveState=inactive; fi
        if [ -e /run/unit-enabled ]; then echo UnitFileState=enabled; else echo UnitFileState=disabled; fi
        echo NRestarts=0 ;;
    esac ;;
  enable) : > /run/unit-enabled ;;
  --no-block) date > /run/unit-started ;;
esac
END
program journalctl << 'END'
#!/bin/sh
echo started
END
program ip << 'END'
#!/bin/sh
echo default via 192.168.6.1 dev ens33
END

exec /usr/sbin/sshd -D -e -f "$here/sshd_config"
