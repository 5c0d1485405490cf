# Makes /run/out/system.erofs: the root without our programs; runs in the tools root.
# Three parts, run as one script: system.sh, finish.sh, pack.sh.
# /run/base: the unpacked packages. /run/modules: the kernel modules. /run/layer:
# what the recipe adds. Options of the packing come from the environment.
root=/run/out/root
cp --archive /run/base/root "$root"
cp --archive /run/modules/lib/modules "$root/usr/lib/"
cp --archive /run/layer/. "$root/"
cd "$root"

