//! Whether everything that was acknowledged is there: on every box, in every copy.

use crate::hands::{DIRECTORY, Hand};
use crate::ledger::{Held, Must};
use crate::writer::Desk;
use anyhow::{Context, Result, ensure};
use ashlar_machine::Deadline;
use ashlar_tests::claims::{Service, a_manager};
use ashlar_tests::fleet::{Fleet, Node};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// For one look at a file, on a busy machine.
const LOOK: Duration = Duration::from_secs(60);

/// Another box's caches may show what was before for a second or two; this is more.
const SEEN: Duration = Duration::from_secs(30);

/// For copies to be the same and services to run, once all boxes are ready.
const SETTLED: Duration = Duration::from_secs(120);

/// Everything; gives what is not as it must be. Nobody writes meanwhile.
pub(crate) fn all(desk: &Desk<'_>, fleet: &Fleet, service: &Service) -> Vec<String> {
    let files = desk.ledger.files();
    let mut found = Vec::new();
    std::thread::scope(|scope| {
        let looks: Vec<_> = (0..desk.eyes.len())
            .map(|eye| {
                let files = &files;
                scope.spawn(move || seen_by(desk, eye, files))
            })
            .collect();
        for look in looks {
            found.extend(look.join().unwrap_or_else(|_| vec!["a reader panicked".to_owned()]));
        }
    });
    let settled = |what: &str, look: &dyn Fn() -> Result<()>| {
        let mut last = None;
        let came = Deadline::within(SETTLED).poll(Duration::from_secs(2), || match look() {
            Ok(()) => Ok::<_, ()>(Some(())),
            Err(error) => {
                last = Some(error);
                Ok(None)
            }
        });
        let missing = !matches!(came, Ok(Some(())));
        missing.then(|| format!("{what}: {:#}", last.unwrap_or_else(|| anyhow::anyhow!("?"))))
    };
    found.extend(settled("the copies", &|| copies_are_the_same(desk, fleet, &files)));
    found.extend(settled("the service", &|| {
        let (tasks, boxes) = (service.running_on(a_manager(fleet)?)?.len(), fleet.all().len());
        ensure!(tasks == boxes, "{tasks} of {boxes} tasks run");
        Ok(())
    }));
    found
}

/// What a box does not read as it must, or reads so only after a while.
fn seen_by(desk: &Desk<'_>, eye: usize, files: &BTreeMap<String, Held>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, held) in files {
        let Must::Any(orders) = held.must(name) else { continue };
        let since = Instant::now();
        let mut told = Vec::new();
        let read = Deadline::within(SEEN).poll(Duration::from_secs(1), || {
            let mut now = Vec::new();
            for order in &orders {
                match desk.eyes[eye].look(order, LOOK) {
                    Ok(answer) if answer == "same" => return Ok::<_, ()>(Some(())),
                    Ok(answer) => now.push(format!("{order}: {answer}")),
                    Err(error) => now.push(format!("{order}: {error:#}")),
                }
            }
            told = now;
            Ok(None)
        });
        let words = format!("node{} reads {}", eye + 1, told.join("; "));
        if read != Ok(Some(())) {
            found.push(words);
        } else if !told.is_empty() {
            let long = since.elapsed();
            desk.late(long);
            println!("           for {:.1} s {words}", long.as_secs_f64());
        }
    }
    found
}

/// Every file has as many copies as the volume keeps, all of them the same, and none
/// says of another that it lacks something.
fn copies_are_the_same(
    desk: &Desk<'_>,
    fleet: &Fleet,
    files: &BTreeMap<String, Held>,
) -> Result<()> {
    let storage = fleet.node(1).status()?.storage.context("no storage")?;
    let mut copies: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for node in fleet.nodes() {
        for directory in bricks(node)? {
            lacks_nothing(node, &directory)?;
            let mut hand = Hand::start(node, desk.program, &directory)?;
            for name in hand.list(LOOK)? {
                let sum = hand.ask(&format!("sum {name}"), LOOK)?;
                copies.entry(name).or_default().push((node.name().to_owned(), sum));
            }
        }
    }
    for (name, held) in files {
        let Some(copies) = copies.get(name) else {
            ensure!(held.acknowledged == 0, "no copy of {name}");
            continue;
        };
        // Where files are spread over sets, other sets may have an empty pointer. A file is
        // empty itself where a box lost power while it wrote it anew.
        let is_full = |(_, sum): &&(String, String)| !sum.starts_with("0 ");
        let full: Vec<_> = copies.iter().filter(is_full).collect();
        if full.is_empty() && copies.len() >= usize::from(storage.replicas) {
            continue;
        }
        let copies = full;
        if held.acknowledged == 0 && copies.is_empty() {
            continue;
        }
        let same = copies.iter().all(|(_, sum)| *sum == copies[0].1);
        ensure!(
            same && copies.len() == usize::from(storage.replicas),
            "{name}, {} copies wanted: {copies:?}",
            storage.replicas
        );
    }
    Ok(())
}

/// Where the copies of the writers' files lie on a box that has some.
fn bricks(node: Node<'_>) -> Result<Vec<String>> {
    let found = node.sh("ls -d /data/bricks/clusterfs/brick*/soak 2>/dev/null || true")?;
    Ok(found.lines().map(str::to_owned).collect())
}

/// No file or directory of a copy is marked as to be healed.
fn lacks_nothing(node: Node<'_>, directory: &str) -> Result<()> {
    let marks = node.sh(&format!(
        "getfattr --absolute-names -R -d -m '^trusted.afr' -e hex {directory} 2>&1"
    ))?;
    let mut file = "";
    for line in marks.lines() {
        if let Some(name) = line.strip_prefix("# file: ") {
            file = name;
        } else if let Some((mark, value)) = line.split_once("=0x") {
            ensure!(value.bytes().all(|b| b == b'0'), "{}: {file}: {mark}={value}", node.name());
        }
    }
    Ok(())
}

/// All that a person would want to see of a cluster that lost something, as text files.
pub(crate) fn evidence(fleet: &Fleet, into: &std::path::Path) -> Result<()> {
    for node in fleet.nodes() {
        let state = format!(
            "cd /data/bricks/clusterfs; for brick in brick*; do echo \"$brick\"; \
             (cd $brick/soak && ls -la && \
             getfattr -R -d -m . -e hex . ); done 2>&1; \
             echo; ls -la {DIRECTORY}; cd {DIRECTORY} && for file in *; do \
             echo \"$file: by the cache $(head -c 40 $file), past it \
             $(dd if=$file iflag=direct bs=4096 count=1 2>/dev/null | head -c 40), on disk \
             $(head -c 40 /data/bricks/clusterfs/brick*/soak/$file)\"; done; gluster --mode=script volume info; \
             gluster --mode=script volume status; \
             timeout 60 gluster --mode=script volume heal clusterfs info; ashlarctl status; \
             tail -n 300 /var/log/glusterfs/srv-cluster.log /var/log/glusterfs/glustershd.log \
             /var/log/glusterfs/bricks/*.log"
        );
        for (name, script) in
            [("journal", "journalctl --no-pager -o short-iso-precise"), ("storage", &state)]
        {
            let text = match node.try_sh(script) {
                Ok(done) => done.text() + &done.error_text(),
                Err(error) => format!("{error:#}"),
            };
            crate::hands::keep(into, &format!("{}.{name}.txt", node.name()), &text)?;
        }
    }
    Ok(())
}
