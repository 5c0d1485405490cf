//! A recipe as a tree for mkosi 25.3, the version in Debian 13.

use super::regex::of_pattern;
use super::{File, Files};
use crate::loader::command_line;
use ashlar_recipe::{Archive, Composed, Lock, ModulePattern};
use ashlar_sandbox::EPOCH;
use std::fmt::Write;

/// What makes the root an appliance's, here as there.
const FINISH: &str = include_str!("../../data/finish.sh");

/// How an export's mkosi.conf begins.
pub const MARK: &str = "# Rendered by `ashlar export mkosi`";

/// Where apt looks for packages.
const SOURCES: &str = "mkosi.sandbox/etc/apt/sources.list.d/mkosi.sources";

/// Partitions that a node makes for itself.
pub const MADE_ON_FIRST_BOOT: [&str; 5] =
    ["30-root-b.conf", "31-verity-b.conf", "32-sig-b.conf", "50-state.conf", "60-data.conf"];

/// What packages make when they are installed, and each node makes for itself.
const LEFT_BY_PACKAGES: [&str; 4] =
    ["/etc/crypttab", "/etc/fstab", "/etc/hostname", "/etc/ssh/ssh_host_*"];

/// What our own initrd takes from the root, and mkosi's installs anew.
const INITRD_PACKAGES: [&str; 15] = [
    "bash",
    "dmsetup",
    "dosfstools",
    "e2fsprogs",
    "kmod",
    "libcryptsetup12",
    "libkmod2",
    "libzstd1",
    "mount",
    "systemd",
    "systemd-cryptsetup",
    "systemd-repart",
    "udev",
    "util-linux",
    "xfsprogs",
];

/// What these bring along and nobody needs before the root is there. xfsprogs has
/// Python and ICU for the sake of xfs_scrub.
const INITRD_UNWANTED: [&str; 16] = [
    "/usr/bin/dpkg*",
    "/usr/bin/perl*",
    "/usr/bin/python3*",
    "/usr/lib/systemd/catalog",
    "/usr/lib/udev/hwdb.d",
    "/usr/lib/x86_64-linux-gnu/libicu*",
    "/usr/lib/x86_64-linux-gnu/libpython3*",
    "/usr/lib/x86_64-linux-gnu/perl*",
    "/usr/lib/python3*",
    "/usr/sbin/xfs_scrub*",
    "/usr/share/doc",
    "/usr/share/perl*",
    "/usr/share/python3*",
    "/var/cache",
    "/var/lib",
    "/var/log",
];

/// Everything that is text. `lock` fixes the versions of all packages; without
/// one, apt chooses.
pub fn render(composed: &Composed, lock: Option<&Lock>, version: &str) -> Files {
    let mut files = Files::new();
    let mut put = |name: &str, file: File| files.insert(name.to_owned(), file);
    put("mkosi.conf", File::text(main(composed, lock, version)));
    put("mkosi.finalize", File::script(finalize()));
    put("mkosi.images/initrd/mkosi.conf", File::text(initrd()));
    put(
        "mkosi.images/initrd/mkosi.extra/usr/lib/systemd/system-preset/00-ashlar.preset",
        File::text("# What an initrd starts is wanted by its targets.\ndisable *\n"),
    );
    put(SOURCES, File::text(sources(&composed.archives)));
    put("mkosi.sandbox/etc/dpkg/dpkg.cfg.d/ashlar", File::text(DPKG));
    if lock.is_some() {
        put("mkosi.sandbox/etc/apt/apt.conf.d/90ashlar", File::text(LOCKED));
    }
    for (part, content) in partitions(composed) {
        let text = format!("[Partition]\n{content}\n");
        put(&format!("mkosi.repart/{part}.conf.d/90-content.conf"), File::text(text));
    }
    files
}

/// mkosi installs the base system in the archive's newest versions, before the lock's.
const LOCKED: &str = "APT::Get::Allow-Downgrades \"true\";\n";

/// Where a package archive is for [`take_from_archive`], as mkosi sees it.
pub const ARCHIVE: &str = "/run/archive";

/// Lets mkosi take packages from a directory at [`ARCHIVE`], as
/// [`archive`](crate::archive) makes it, and ask nobody else. mkosi has to be told
/// `--local-mirror=file:///run/archive`, or it does not show it to apt.
pub fn take_from_archive(files: &mut Files) {
    let text = format!("Types: deb\nURIs: file://{ARCHIVE}\nSuites: ./\nTrusted: yes\n");
    files.insert(SOURCES.to_owned(), File::text(text));
}

/// Translations have no reader on an appliance (manuals are left out by
/// `WithDocs=no`).
const DPKG: &str = "path-exclude=/usr/share/locale/*\n\
                    path-include=/usr/share/locale/locale.alias\n\
                    path-exclude=/usr/share/lintian/*\n";

fn main(composed: &Composed, lock: Option<&Lock>, version: &str) -> String {
    let recipe = &composed.recipe;
    let name = &composed.name;
    let mut text = format!(
        "{MARK} from recipes/{name}.toml: change that, not this.\n\
         # Build it with mkosi 25.3 (Debian 13), as root:\n\
         #   mkosi --directory . --output-directory mkosi.output build\n\
         \n\
         [Config]\n\
         MinimumVersion=25\n\
         Dependencies=initrd\n\
         \n\
         [Distribution]\n\
         Distribution=debian\n\
         Release=trixie\n\
         Architecture=x86-64\n"
    );
    let components = composed.components();
    let further: Vec<_> = components.iter().filter(|name| **name != "main").collect();
    if !further.is_empty() {
        let _ = writeln!(text, "Repositories={}", list(&further));
    }
    let seed = crate::identity::Identity::of(composed).seed();
    let _ = write!(
        text,
        "\n[Output]\n\
         Format=disk\n\
         Output=ashlar-{name}\n\
         ImageId=ashlar-{name}\n\
         ImageVersion={version}\n\
         Seed={seed}\n\
         SplitArtifacts=uki\n\
         ManifestFormat=json\n\
         RepartDirectories=mkosi.repart\n\
         \n\
         [Content]\n\
         SourceDateEpoch={EPOCH}\n\
         WithDocs=no\n\
         WithRecommends=no\n\
         CleanPackageMetadata=no\n\
         Bootable=yes\n\
         Bootloader=systemd-boot\n\
         UnifiedKernelImages=yes\n\
         UnifiedKernelImageFormat=ashlar_{version}+3\n\
         Initrds=%O/initrd\n\
         KernelCommandLine={}\n",
        command_line(composed)
    );
    modules(&mut text, "KernelModules", &composed.modules);
    modules(&mut text, "KernelModulesInitrd", &composed.initrd_modules);
    text.push_str("RemoveFiles=\n");
    for path in LEFT_BY_PACKAGES {
        let _ = writeln!(text, "    {path}");
    }
    text.push_str("Packages=\n");
    match lock {
        Some(lock) => {
            for package in &lock.packages {
                let _ = writeln!(text, "    {}={}", package.name, package.version);
            }
        }
        None => {
            for package in composed.packages() {
                let _ = writeln!(text, "    {package}");
            }
        }
    }
    let _ = write!(
        text,
        "\n[Build]\n\
         Environment=SYSTEMD_REPART_MKFS_OPTIONS_EROFS=-C{}\n",
        recipe.image.cluster_size.as_bytes()
    );
    text
}

fn list(items: &[&&str]) -> String {
    items.iter().map(|item| **item).collect::<Vec<_>>().join(",")
}

/// Nothing to choose from means all.
fn modules(text: &mut String, key: &str, patterns: &[ModulePattern]) {
    if patterns.is_empty() {
        return;
    }
    let _ = writeln!(text, "{key}Exclude=.*\n{key}Include=");
    for pattern in patterns {
        let _ = writeln!(text, "    {}", of_pattern(pattern.as_str()));
    }
}

/// mkosi gives the root as `$BUILDROOT`, at a time when boot loader and kernel
/// are in it already.
fn finalize() -> String {
    format!("#!/bin/sh\nset -eu\nroot=$BUILDROOT\ncd \"$root\"\n\n{FINISH}")
}

fn initrd() -> String {
    let mut text = format!(
        "{MARK}.\n\
         # An initrd of packages, with the units that mount Ashlar's state and /etc.\n\
         # Not mkosi-initrd: that one removes dpkg, and all that wants it with it,\n\
         # mkfs.xfs among them.\n\
         \n\
         [Output]\n\
         Output=initrd\n\
         Format=cpio\n\
         ManifestFormat=\n\
         \n\
         [Content]\n\
         Bootable=no\n\
         MakeInitrd=yes\n\
         WithDocs=no\n\
         Packages=\n"
    );
    for package in INITRD_PACKAGES {
        let _ = writeln!(text, "    {package}");
    }
    text.push_str("RemoveFiles=\n");
    for path in INITRD_UNWANTED {
        let _ = writeln!(text, "    {path}");
    }
    text
}

/// The archives, one stanza each. mkosi's own list has Debian's archive of debug
/// symbols in it, which no mirror has.
fn sources(archives: &[Archive]) -> String {
    let mut text = String::new();
    for archive in archives {
        let keyring = match &archive.key {
            Some(key) => format!("/etc/apt/keyrings/{}", key_file(&archive.name, &key.path)),
            None => "/usr/share/keyrings/debian-archive-keyring.gpg".to_owned(),
        };
        for suite in &archive.suites {
            let _ = write!(text, "Types: deb\nURIs: {}\nSuites: {suite}\n", archive.url);
            if !suite.ends_with('/') {
                let _ = writeln!(text, "Components: {}", archive.components.join(" "));
            }
            let _ = write!(text, "Signed-By: {keyring}\n\n");
        }
    }
    text
}

/// What an archive's key is called in an export.
pub(super) fn key_file(archive: &str, key: &std::path::Path) -> String {
    let form = key.extension().map_or("asc".into(), |form| form.to_string_lossy());
    format!("{archive}.{form}")
}

fn partitions(composed: &Composed) -> [(&'static str, String); 4] {
    let image = &composed.recipe.image;
    [
        ("10-esp", "Format=vfat\nCopyFiles=/boot:/\nCopyFiles=/efi:/".to_owned()),
        (
            "20-root-a",
            format!(
                "Format=erofs\nCompression={}\nCompressionLevel={}\nCopyFiles=/\n\
                 ExcludeFiles=/boot/\nExcludeFiles=/efi\nVerity=data\nVerityMatchKey=root",
                image.compression.as_str(),
                image.compression_level
            ),
        ),
        ("21-verity-a", "Verity=hash\nVerityMatchKey=root".to_owned()),
        ("40-seed", "Format=vfat".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::render;
    use ashlar_recipe::{Lock, LockedPackage, compose};

    const RECIPE: &str = r#"
        description = "a test"
        packages = ["systemd", "bash"]
        components = ["non-free-firmware"]
        [kernel]
        package = "linux-image-amd64"
        command-line = ["quiet"]
        [firmware]
        packages = [
            "firmware-linux-free", "firmware-misc-nonfree", "firmware-realtek",
            "intel-microcode", "amd64-microcode",
        ]
        [hardware]
        modules = ["nvme", "drivers/net/phy/**"]
        [image]
        repart-seed = "74058089-6e72-49f8-8dff-6db385e955e9"
    "#;

    fn rendered(lock: Option<&Lock>) -> String {
        let dir = tempfile::tempdir().unwrap();
        let recipes = dir.path().join("recipes");
        std::fs::create_dir(&recipes).unwrap();
        std::fs::write(recipes.join("test.toml"), RECIPE).unwrap();
        let composed = compose(&recipes, "test").unwrap();
        render(&composed, lock, "1.2")
            .into_iter()
            .filter(|(name, _)| name != "mkosi.finalize")
            .map(|(name, file)| format!("=== {name} {:o}\n{}", file.mode, file.text))
            .collect()
    }

    #[test]
    fn a_recipe_is_rendered_whole() {
        insta::assert_snapshot!("recipe", rendered(None));
    }

    #[test]
    fn a_lock_fixes_every_version() {
        let package = LockedPackage {
            name: "bash".into(),
            architecture: "amd64".into(),
            version: "5.2.37-2+b5".into(),
            source: "bash".into(),
            source_version: "5.2.37-2".into(),
            archive: None,
            suite: None,
            component: None,
            filename: "pool/main/b/bash/bash.deb".into(),
            size: 1,
            sha256: "0".repeat(64),
        };
        let lock = Lock {
            version: Lock::VERSION,
            inputs: String::new(),
            archives: Vec::new(),
            packages: vec![package],
        };
        let text = rendered(Some(&lock));
        assert!(text.contains("Packages=\n    bash=5.2.37-2+b5\n\n"), "{text}");
    }
}
