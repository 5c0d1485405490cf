# Makes the root file system and its hash tree in /run/out; runs in the tools root.
# /run/system: the root without our programs. /run/layer: these, and what names the
# version. They are added to the packed file system, behind all that is in it.
cp /run/system/system.erofs /run/out/root.erofs
chmod u+w /run/out/root.erofs
cd /run/layer
# With every directory on the way: one that is not in the archive would get mode 0777.
find . | LC_ALL=C sort |
    tar --create --format=gnu --owner=0 --group=0 --numeric-owner --no-recursion \
        --mtime="@$SOURCE_DATE_EPOCH" --files-from=- --file=/tmp/layer.tar
cd /run/out
mkfs.erofs --quiet --incremental=data --tar=f -z "$COMPRESSION" -C "$CLUSTER" \
    -T "$SOURCE_DATE_EPOCH" -U "$ROOT_UUID" root.erofs /tmp/layer.tar
veritysetup format --salt="$SALT" --uuid="$VERITY_UUID" --root-hash-file=roothash \
    root.erofs root.verity 1>&2
cp -r /run/system/repart.d /run/out/repart.d
