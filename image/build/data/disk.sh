# Makes /run/out/disk.raw; runs in the tools root. /run/root: root.erofs,
# root.verity, the partition definitions. /run/uki: the UKI. /run/loader.efi: the
# boot loader, from the image's own packages. Names and ids come from the environment.
esp=/run/out/esp
mkdir -p $esp/EFI/BOOT $esp/EFI/systemd $esp/EFI/Linux $esp/loader
cp /run/loader.efi $esp/EFI/BOOT/BOOTX64.EFI
cp /run/loader.efi $esp/EFI/systemd/systemd-bootx64.efi
cp /run/uki/uki.efi "$esp/EFI/Linux/$UKI_NAME"
cp /run/loader.conf $esp/loader/loader.conf
# The other ways to start. The loader hides an entry whose file is not there: a UKI
# loses its counter once it was good, and from then on the second kind shows.
mkdir $esp/loader/entries
entry() {
    printf 'title %s\nsort-key z%s\nefi /EFI/Linux/%s\n' "$3" "$1" "$4" >"$esp/loader/entries/ashlar-$2.conf"
}
good=${UKI_NAME%+*}.efi
entry 1 install "Install to this box" "$UKI_NAME"
for kind in "-first=$UKI_NAME" "=$good"; do
    entry 2 "try${kind%%=*}" "Try without touching a disk" "${kind#*=}"
    entry 3 "reset${kind%%=*}" "Factory reset: erase this box's site and data" "${kind#*=}"
done
find $esp -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

# The label by which a node knows its seed has to be the file system's.
truncate --size="$SEED_BYTES" /run/out/seed.vfat
mkfs.vfat --invariant -n ASHLARSEED -i "$VOLUME_ID" /run/out/seed.vfat >/dev/null

definitions=/run/out/definitions
mkdir $definitions
for part in 10-esp 20-root-a 21-verity-a 22-sig-a 40-seed; do
    cp "/run/root/repart.d/$part.conf" $definitions/
    mkdir -p "$definitions/$part.conf.d"
    [ ! -d "/run/root/repart.d/$part.conf.d" ] || cp "/run/root/repart.d/$part.conf.d/"* "$definitions/$part.conf.d/"
done
content() { printf '[Partition]\n%s\n' "$2" >"$definitions/$1.conf.d/90-content.conf"; }
content 10-esp "Format=vfat
CopyFiles=/run/out/esp:/"
content 20-root-a "CopyBlocks=/run/root/root.erofs
UUID=$ROOT_PARTITION"
content 21-verity-a "CopyBlocks=/run/root/root.verity
UUID=$VERITY_PARTITION"
content 40-seed "CopyBlocks=/run/out/seed.vfat"

systemd-repart --offline=yes --empty=create --size=auto --dry-run=no --no-pager \
    --seed="$REPART_SEED" --definitions=$definitions --json=short /run/out/disk.raw >/run/out/partitions.json
rm -rf $esp $definitions /run/out/seed.vfat
