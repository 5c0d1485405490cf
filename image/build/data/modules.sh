# Copies the modules listed on standard input to /run/out, uncompressed: the root
# is compressed as a whole, and updates then differ less. $1: kernel version.
from=/run/modules/$1
to=/run/out/usr/lib/modules/$1
mkdir -p "$to"
ln -s usr/lib /run/out/lib
cd "$from"
tar --create --file=- --files-from=- | tar --extract --file=- --directory="$to"
for index in modules.order modules.builtin modules.builtin.modinfo; do
    [ ! -e "$index" ] || cp "$index" "$to/"
done
cd "$to"
find . -name '*.ko.xz' -print0 | xargs -0 -r -P "$(nproc)" -n 16 xz --decompress
depmod --basedir=/run/out "$1"
