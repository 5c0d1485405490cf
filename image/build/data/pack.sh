# Third part: packs the root.
cd /run/out
mkfs.erofs --quiet -z "$COMPRESSION" -C "$CLUSTER" -T "$SOURCE_DATE_EPOCH" -U "$ROOT_UUID" \
    root.erofs "$root"
veritysetup format --salt="$SALT" --uuid="$VERITY_UUID" --root-hash-file=roothash \
    root.erofs root.verity 1>&2
# The disk step reads the partition definitions.
cp -r "$root/usr/lib/repart.d" /run/out/repart.d
rm -rf "$root"
