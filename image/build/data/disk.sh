# Makes /run/out/disk.raw; runs in the tools root. /run/root: root.erofs,
# root.verity, the partition definitions. /run/uki: the UKI. Names and ids come
# from the environment.
esp=/run/out/esp
mkdir -p $esp/EFI/BOOT $esp/EFI/systemd $esp/EFI/Linux $esp/loader
cp /usr/lib/systemd/boot/efi/systemd-bootx64.efi $esp/EFI/BOOT/BOOTX64.EFI
cp /usr/lib/systemd/boot/efi/systemd-bootx64.efi $esp/EFI/systemd/systemd-bootx64.efi
cp /run/uki/uki.efi "$esp/EFI/Linux/$UKI_NAME"
cp /run/loader.conf $esp/loader/loader.conf
find $esp -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

# The label by which a node knows its seed has to be the file system's.
truncate --size="$SEED_BYTES" /run/out/seed.vfat
mkfs.vfat --invariant -n ASHLARSEED -i "$SEED_ID" /run/out/seed.vfat >/dev/null

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
    --seed="$SEED" --definitions=$definitions --json=short /run/out/disk.raw >/run/out/partitions.json
rm -rf $esp $definitions /run/out/seed.vfat
