# Third part: packs the root.
cd /run/out
mkfs.erofs --quiet -z "$COMPRESSION" -C "$CLUSTER" -T "$SOURCE_DATE_EPOCH" -U "$ROOT_UUID" \
    system.erofs "$root"
# The disk step reads the partition definitions.
cp -r "$root/usr/lib/repart.d" /run/out/repart.d
rm -rf "$root"
