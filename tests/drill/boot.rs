//! What a boot costs, counted in instructions: `just drill boot`. One virtual machine
//! whose clock is its instructions starts and founds a cluster of its own, so that the
//! figures are the same on a busy machine and on a slow one. What the firmware and the
//! loader do before the kernel is not in them.

use crate::built;
use anyhow::{Context, Result, ensure};
use ashlar_site::Site;
use ashlar_tests::command::workspace;
use ashlar_tests::machine::{Machine, Setup, drive, stamped};
use ashlar_tests::project::scratch;
use ashlar_tests::site;

/// Thousand millions of instructions that a boot may take: seven in a hundred more
/// than were last seen.
const UNTIL_AGENT: f64 = 15.8;
const UNTIL_READY: f64 = 30.3;

/// Says at one moment what ran until then, at the console: all of it, by unit, and the
/// kernel's own threads.
fn tells(moment: &str, order: &str, before: &str) -> String {
    format!(
        "[Unit]\nConditionPathExists=!/etc/initrd-release\nDefaultDependencies=no\n{order}\n\
         [Service]\nType=oneshot\nTimeoutStartSec=infinity\n\
         ExecStart=/bin/sh -c 'exec >/dev/ttyS0; {before} \
         echo \"BOOT {moment} all $$(head -n1 /proc/stat)\"; \
         cd /sys/fs/cgroup; for d in init.scope system.slice/*; do [ -f $$d/cpu.stat ] && \
         echo \"BOOT {moment} unit $$(head -n1 $$d/cpu.stat) $${{d##*/}}\"; done; \
         for p in /proc/[0-9]*; do read -r l < $$p/stat && case $$l in *\"(k\"*) \
         echo \"BOOT {moment} thread $$l\";; esac; done; echo BOOT {moment} over'\n"
    )
}

/// What was told of one moment: thousand millions of instructions, by what ran.
struct Told {
    all: f64,
    parts: Vec<(String, f64)>,
}

impl Told {
    fn read(said: &str, moment: &str) -> Result<Self> {
        let of = |kind: &str| {
            let start = format!("BOOT {moment} {kind} ");
            said.lines().filter_map(move |line| Some(line.trim().strip_prefix(&start)?.to_owned()))
        };
        // `cpu user nice system idle iowait irq softirq …`, in hundredths of a second;
        // waiting is not work.
        let line = of("all").next().context("nothing was told")?;
        let fields: Vec<f64> =
            line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        ensure!(fields.len() >= 7, "{line}");
        let all = [0, 1, 2, 5, 6].iter().map(|field| fields[*field]).sum::<f64>() / 100.0;

        let mut parts = Vec::new();
        for line in of("unit") {
            // `usage_usec 123 name`
            let mut words = line.split(' ').skip(1);
            let used: f64 = words.next().context("no figure")?.parse()?;
            parts.push((words.collect::<Vec<_>>().join(" "), used / 1e6));
        }
        for line in of("thread") {
            let (name, rest) = line.rsplit_once(") ").context("no name")?;
            let name = name.split_once('(').map_or(name, |(_, name)| name);
            let fields: Vec<&str> = rest.split(' ').collect();
            let used: f64 = fields.get(12).context("no figure")?.parse()?;
            parts.push((format!("[{name}]"), used / 100.0));
        }
        parts.sort_by(|one, other| other.1.total_cmp(&one.1));
        Ok(Self { all, parts })
    }

    fn print(&self, moment: &str) {
        println!("until {moment}: {:.1} thousand million instructions, of them", self.all);
        for (name, used) in self.parts.iter().filter(|(_, used)| *used >= 0.1) {
            println!("  {used:>6.2}  {name}");
        }
    }
}

#[test]
fn a_boot_takes_no_more_instructions_than_it_did() -> Result<()> {
    let image = built("retail")?.disk()?;
    let room = scratch("drill-boot")?;
    let site = Site { expect: Some(1), ..site::fresh("counting")? };
    let disk = stamped(&image, &site, room.path())?;

    let agent = tells("agent", "After=sysinit.target\nBefore=ashlar-agent.service", "");
    let ready = tells("ready", "After=ashlar-agent.service", "ashlarctl wait --timeout 1400;");
    let setup = Setup {
        drives: vec![drive("disk", &disk)],
        devices: vec![
            "virtio-blk-pci,drive=disk,bootindex=0".to_owned(),
            "virtio-net-pci,netdev=segment,romfile=".to_owned(),
        ],
        units: vec![
            ("agent.service", &agent, "basic.target"),
            ("ready.service", &ready, "multi-user.target"),
        ],
        counted: true,
        ..Setup::default()
    };
    let mut machine = Machine::start(room.path(), "boot", &setup)?;
    machine.until(Some("BOOT ready over"))?;
    let said = machine.said();
    let (agent, ready) = (Told::read(&said, "agent")?, Told::read(&said, "ready")?);
    agent.print("the agent starts");
    ready.print("the box is ready");
    std::fs::write(
        workspace().join("out/drill-boot.json"),
        serde_json::json!({ "agent": agent.all, "ready": ready.all }).to_string(),
    )?;
    ensure!(agent.all <= UNTIL_AGENT, "{:.1}, budget {UNTIL_AGENT}", agent.all);
    ensure!(ready.all <= UNTIL_READY, "{:.1}, budget {UNTIL_READY}", ready.all);
    Ok(())
}
