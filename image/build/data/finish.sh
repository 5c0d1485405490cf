# Second part: turns the unpacked packages and all that is laid over them, in $root,
# into an appliance's root. It is also what `ashlar export mkosi` gives to mkosi.
# What packages bring and a feature does not want: its overlay says so.
for list in usr/lib/ashlar/omit.d/*.conf; do
    [ -e "$list" ] || continue
    sed 's/[[:space:]]*#.*//; /^$/d' "$list" | while read -r path; do
        [ -e "./$path" ] || { echo "$list: $path is not in the root: take the line out" >&2; exit 1; }
        rm -rf "./$path"
    done
done
rm -rf usr/lib/ashlar/omit.d

# Mount points, and the few links that tools would make too late.
# systemd mounts the ESP at /boot, whether or not that is there.
mkdir -p boot data srv/cluster
ln -sf ../run/systemd/resolve/stub-resolv.conf etc/resolv.conf
: >etc/machine-id
chmod 0444 etc/machine-id

systemd-sysusers --root="$root"
systemctl --quiet --root="$root" preset-all
rm -f etc/passwd- etc/group- etc/shadow- etc/gshadow- etc/.pwd.lock

# dpkg's list of packages is part of the image, not of its state.
mkdir -p usr/lib/sysimage
mv var/lib/dpkg usr/lib/sysimage/dpkg
find usr/lib/sysimage/dpkg/info -type f ! -name '*.list' ! -name format -delete
rm -rf usr/lib/sysimage/dpkg/alternatives usr/lib/sysimage/dpkg/updates \
    usr/lib/sysimage/dpkg/parts usr/lib/sysimage/dpkg/triggers

# The hardware database is compiled; its sources are as large again.
[ ! -e usr/lib/udev/hwdb.bin ] || rm -rf usr/lib/udev/hwdb.d

# /var is a partition of its own. What packages ship there is kept as the
# factory's copy, and put in place on the first boot.
mkdir -p usr/share/factory/var/lib
rules=usr/lib/tmpfiles.d/ashlar-var.conf
{
    echo '# Made by the build: what packages ship in /var.'
    echo 'L /var/lib/dpkg - - - - ../../usr/lib/sysimage/dpkg'
    for path in var/lib/*; do
        # What only installing packages needs.
        case ${path#var/lib/} in
        apt | initramfs-tools | pam | python | shells.state | systemd | ucf) continue ;;
        esac
        # A rule that packages or overlays bring for the same path wins; if it
        # copies, it copies from the factory.
        rule=$(grep -hsoE "^[A-Za-z+!=^~-]+[[:space:]]+/$path([[:space:]]|\$)" usr/lib/tmpfiles.d/* || true)
        case $rule in
        '') echo "C /$path - - - -" ;;
        C*) ;;
        *) continue ;;
        esac
        mkdir -p "usr/share/factory/$(dirname "$path")"
        mv "$path" "usr/share/factory/$path"
    done
} >/tmp/rules
install -m 0644 /tmp/rules "$rules"
find var -mindepth 1 -delete

