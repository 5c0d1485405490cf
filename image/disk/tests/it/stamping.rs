//! Copies of an image with a site in them.

use crate::medium::quiet;
use crate::small_image::{self, SITE};
use ashlar_disk::{FlashError, Image, Start, stamp};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::os::unix::fs::MetadataExt;

#[test]
fn a_copy_differs_from_its_image_in_the_seed_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = small_image::write(directory.path(), "6.12.1-amd64");
    let image = Image::open(&path).unwrap();
    let copy = directory.path().join("shop.raw");
    for _ in 0..2 {
        stamp(&image, SITE.as_bytes(), Start::Run, &copy, quiet(&|| false)).unwrap();
        let file = std::fs::File::open(&copy).unwrap();
        assert_eq!(small_image::seed(&file), ("ASHLARSEED".to_owned(), SITE.to_owned()));
    }
    let (mut a, mut b) = (std::fs::read(&path).unwrap(), std::fs::read(&copy).unwrap());
    let seed = image.table().labelled("seed").unwrap();
    for bytes in [&mut a, &mut b] {
        bytes[seed.start as usize..seed.end as usize].fill(0);
    }
    assert!(a == b);
    let made = std::fs::metadata(&copy).unwrap();
    assert_eq!(made.mode() & 0o777, 0o600, "it is a key now");
    assert!(made.blocks() * 512 < 4 << 20, "its holes stayed holes: {}", made.blocks() * 512);
}

#[test]
fn nothing_half_made_is_left_where_a_copy_should_be() {
    let directory = tempfile::tempdir().unwrap();
    let path = small_image::write(directory.path(), "6.12.1-amd64");
    let image = Image::open(&path).unwrap();
    let copy = directory.path().join("shop.raw");
    assert!(stamp(&image, SITE.as_bytes(), Start::Run, &copy, quiet(&|| true)).is_err());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_copy_can_be_an_installer_whether_the_image_is_packed_or_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = small_image::write(directory.path(), "6.12.1-amd64");
    let packed = directory.path().join("small.raw.zst");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&packed, compress_to_vec(bytes.as_slice(), CompressionLevel::Fastest)).unwrap();
    for (number, image) in [path, packed].into_iter().enumerate() {
        let image = Image::open(&image).unwrap();
        let copy = directory.path().join(format!("{number}.raw"));
        stamp(&image, SITE.as_bytes(), Start::Install, &copy, quiet(&|| false)).unwrap();
        let menu = small_image::menu(&std::fs::File::open(&copy).unwrap());
        assert!(menu.contains("\ndefault ashlar-install*\n"), "{menu}");
        assert!(Image::on_disk(&copy, None).is_ok(), "it cannot be installed from");
    }
}

#[test]
fn an_image_without_our_menu_is_no_installer_and_is_stamped_as_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = small_image::write(directory.path(), "6.12.1-amd64");
    // A release from before there was one.
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(23).position(|piece| piece == b"# Ashlar: the boot menu").unwrap();
    bytes[at] = b';';
    std::fs::write(&path, bytes).unwrap();
    let image = Image::open(&path).unwrap();
    let copy = directory.path().join("shop.raw");
    let refused = stamp(&image, SITE.as_bytes(), Start::Ask, &copy, quiet(&|| false)).unwrap_err();
    assert!(matches!(refused, FlashError::NoMenu { .. }), "{refused}");
    stamp(&image, SITE.as_bytes(), Start::Run, &copy, quiet(&|| false)).unwrap();
}
