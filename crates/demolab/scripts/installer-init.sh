#!/bin/sh
# Process 1 of the demo installer's initrd. On a machine it makes the usual mounts and loads the drivers; in a system
# container (variable "container" set) its engine has done that.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
# shellcheck disable=SC2154 # set by the container engine, if there is one
if [ -z "$container" ]; then
  mount -t devtmpfs dev /dev
  mount -t proc proc /proc
  mount -t sysfs sys /sys
  mount -t tmpfs tmp /run
  while read -r m; do insmod "$m" 2>/dev/null; done < /mods
  exec /bin/installer < /dev/console > /dev/console 2>&1
fi
exec /bin/installer
