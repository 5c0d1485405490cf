# Makes /run/out/root from the packages in /run/repo; runs in the tools root.
# $1: the packages, comma-separated.
cd /run/repo
apt-ftparchive -o APT::FTPArchive::MD5=false -o APT::FTPArchive::SHA1=false \
    -o APT::FTPArchive::SHA512=false packages . >Packages
# mmdebstrap finds the essential packages by the suite's name.
apt-ftparchive -o APT::FTPArchive::Release::Suite=trixie \
    -o APT::FTPArchive::Release::Codename=trixie release . >/tmp/Release
mv /tmp/Release Release
cd /

# Manuals and translations have no reader on an appliance. Never exclude
# /usr/share/* as a whole: base-passwd needs it.
mmdebstrap --mode=root --variant=essential --format=directory --architectures=amd64 \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/lintian/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-include=/usr/share/locale/locale.alias' \
    --aptopt='APT::Install-Recommends "false"' \
    --include="$1" \
    trixie /run/out/root 'deb [trusted=yes] copy:/run/repo ./' 1>&2

# The kernel goes another way than the rest.
cd /run/out/root
mkdir /run/out/modules
mv usr/lib/modules/* /run/out/modules/
mv boot/vmlinuz-* /run/out/vmlinuz
rm -rf boot/* vmlinuz vmlinuz.old initrd.img initrd.img.old

# Nothing may be left that differs from build to build or from box to box.
rm -f etc/ssh/ssh_host_* etc/hostname etc/resolv.conf etc/.resolv.conf.* etc/fstab etc/machine-id \
    etc/apt/sources.list etc/apt/sources.list.d/* etc/apt/apt.conf.d/99mmdebstrap \
    etc/passwd- etc/group- etc/shadow- etc/gshadow- etc/subuid- etc/subgid- etc/.pwd.lock \
    var/lib/dpkg/*-old var/lib/dpkg/lock* var/lib/dbus/machine-id var/lib/systemd/random-seed
rm -rf var/cache/* var/log/* var/lib/apt/* var/lib/dpkg/triggers/Lock tmp/* run/* dev/*
