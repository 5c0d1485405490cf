//! The command line.

use ashlar_api::{LOCAL_SOCKET, Phase};
use clap::{Args, Parser, Subcommand, ValueEnum, builder::PossibleValue};
use clap_complete::Shell;
use std::path::PathBuf;

/// Ask the Ashlar agent of this node, or of a site elsewhere.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Where the agent listens.
    #[arg(long, global = true, value_name = "PATH", env = "ASHLAR_SOCKET",
          default_value = LOCAL_SOCKET, hide_default_value = true)]
    pub(crate) socket: PathBuf,
    /// Ask a box of this site, from a workstation: the site's name, or the file of a
    /// pass that `ashlar site admin` made.
    #[arg(
        long,
        global = true,
        value_name = "SITE",
        env = "ASHLAR_SITE",
        conflicts_with = "socket"
    )]
    pub(crate) site: Option<String>,
    /// Which box of the site: its address or its name. Without it, any that is found.
    #[arg(long, global = true, value_name = "BOX", requires = "site")]
    pub(crate) node: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done; for `status`, `why` and `wait`: ready; for `check`: nothing is wrong
  1  error: the agent does not answer, or refused
  2  wrong usage
  3  the node answers, but is not (yet) ready; for `check`: something is wrong

Examples:
  ashlarctl status --watch            follow this node until you press Ctrl-C
  ashlarctl wait && docker node ls    go on once the node is ready
  ashlarctl why                       what holds this node back
  ashlarctl check                     is it as it should be, part by part
  ashlarctl logs -f                   what the agent and its daemons write
  ashlarctl reset factory --dry-run   what a factory reset would take away
  ashlarctl --site shop status        the same from a workstation, with a pass
  ashlarctl --site shop --node 192.168.1.20 power reboot";

const POWER_EXAMPLES: &str = "\
Examples:
  ashlarctl power off --dry-run    may it be switched off?
  ashlarctl power reboot --yes";

const NETWORK_EXAMPLES: &str = "\
Examples:
  ashlarctl network --json | jq -r '.links[].mac'
  ashlarctl network set site.toml    try the network of this site
  ashlarctl network confirm          keep it, whatever answers";

const CHECK_EXAMPLES: &str = "\
As root it also writes a file to the volume and reads it back, and looks at this box's \
certificate. It ends with 3 when a line is marked ! or ✘.

Examples:
  ashlarctl check                 every part, and what cures what is wrong
  ashlarctl check --json | jq -r '.checks[] | select(.cure) | .words'
  ashlarctl check --schema        what --json prints, as JSON Schema";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show where this node stands: phases, members, storage, Swarm
    Status(Status),
    /// Wait until this node has reached a phase, or until time is up
    Wait(Wait),
    /// Wait until the agent shows a phase to systemd: `ashlar-phase@.service`
    #[command(hide = true)]
    AwaitPhase {
        /// Its name.
        phase: String,
    },
    /// List the members of the ring
    Members(Members),
    /// Say what this node waits for, what holds it back, and what is wrong
    #[command(after_help = "Example: ashlarctl why --json | jq -r '.alerts[].words'")]
    Why(Why),
    /// Check this box part by part: ring, certificates, storage, Swarm, time, disk, network
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// List what this node did and could not do, and why, over reboots
    #[command(after_help = "Example: ashlarctl history --failed -n 5")]
    History(History),
    /// Show what the agent and the daemons that it runs have written
    Logs(Logs),
    /// List this box's ports: cable, MAC and addresses; or try another network
    #[command(after_help = NETWORK_EXAMPLES)]
    Network(Network),
    /// Say what machine this is: maker, serial number, firmware, memory, disks
    #[command(after_help = "Example: ashlarctl hardware --json | jq -r .serial")]
    Hardware(Facts),
    /// Restart this box, or switch it off, after saying what is missing meanwhile
    #[command(after_help = POWER_EXAMPLES)]
    Power(Power),
    /// Take a box out of the cluster, strike it off at once, or let it in again
    Node(Node),
    /// Show the cluster's CA, who holds its key, and whose certificate ends when
    Pki(Pki),
    /// Replace the ring's key, say how its keys stand, or give out the site that has it
    Ring(Ring),
    /// Let two clusters of one site become one
    Cluster(Cluster),
    /// Collect what somebody needs who is asked what is wrong
    Support(Support),
    /// Say who is let in from elsewhere no more
    Admin(Admin),
    /// Take from this box its workloads, its place in the cluster, or all that it is
    Reset(Reset),
    /// Print a completion script for a shell
    #[command(after_help = "Example: ashlarctl completions bash > \
                            /etc/bash_completion.d/ashlarctl")]
    Completions {
        /// For which shell.
        shell: Shell,
    },
    /// Print the manual page, or write all of them into a directory
    Man {
        /// Write `ashlarctl.1`, `ashlarctl-status.1` … here.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// `ashlarctl status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// One JSON object instead of a table; with --watch, one a line whenever
    /// something changes.
    #[arg(long)]
    pub(crate) json: bool,
    /// Keep showing it, about once a second.
    #[arg(long, short)]
    pub(crate) watch: bool,
}

/// `ashlarctl wait`.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Until this phase holds.
    #[arg(
        long,
        short,
        value_name = "PHASE",
        default_value = "ready",
        conflicts_with = "answering"
    )]
    pub(crate) phase: Wanted,
    /// Until the agent answers, whatever it says.
    #[arg(long)]
    pub(crate) answering: bool,
    /// Give up after this many seconds.
    #[arg(long, short, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) timeout: u64,
    /// The status when the wait is over, as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ashlarctl members`.
#[derive(Debug, Args)]
pub(crate) struct Members {
    /// A JSON list instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ashlarctl why`.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// One JSON object instead of sentences.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ashlarctl check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// One JSON object instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the JSON Schema of that object, and do nothing else.
    #[arg(long, conflicts_with = "json")]
    pub(crate) schema: bool,
}

/// `ashlarctl history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// How many of the last steps.
    #[arg(long, short = 'n', value_name = "STEPS", default_value_t = 30)]
    pub(crate) lines: usize,
    /// Only what could not be done.
    #[arg(long)]
    pub(crate) failed: bool,
    /// A JSON list instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ashlarctl network`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Network {
    #[command(subcommand)]
    pub(crate) what: Option<NetworkWhat>,
    #[command(flatten)]
    pub(crate) facts: Facts,
}

/// What becomes of the network.
#[derive(Debug, Subcommand)]
pub(crate) enum NetworkWhat {
    /// Try the network that a site says, and wait what becomes of it
    ///
    /// The file is this box's site with another `[network]` or `[time]`. It is kept when
    /// the router and another box answer under it as they did before, and undone after
    /// two minutes otherwise; a power cut undoes it too. What a box has for life cannot
    /// be changed so: its cluster address, containers' networks, a bond.
    #[command(after_help = "Example: ashlarctl network set site.toml")]
    Set {
        /// The site.
        file: PathBuf,
        /// One JSON object, and nothing else.
        #[arg(long)]
        json: bool,
    },
    /// Keep the network that is tried, whatever answers
    #[command(after_help = "Example: ashlarctl network confirm")]
    Confirm(Facts),
    /// Take back the network that is tried; or end the message of one that was undone
    #[command(after_help = "Example: ashlarctl network revert")]
    Revert(Facts),
}

/// What a verb is told that has nothing else to be told.
#[derive(Debug, Args)]
pub(crate) struct Facts {
    /// One JSON object, and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ashlarctl power`.
#[derive(Debug, Args)]
pub(crate) struct Power {
    /// What is to be done.
    #[arg(value_name = "WHAT")]
    pub(crate) what: PowerWhat,
    /// Say what would be missing, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// One JSON object, and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How it goes down.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PowerWhat {
    /// Restart it
    Reboot,
    /// Switch it off
    Off,
}

/// `ashlarctl logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Go on showing new lines.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How many of the last lines, or `all`.
    #[arg(long, short = 'n', value_name = "LINES", default_value = "100")]
    pub(crate) lines: String,
    /// The agent alone, without the daemons that it runs.
    #[arg(long)]
    pub(crate) agent: bool,
    /// Every boot that the journal holds, not only this one.
    #[arg(long)]
    pub(crate) all_boots: bool,
    /// One JSON object a line, with every field.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ashlarctl node`.
#[derive(Debug, Args)]
pub(crate) struct Node {
    #[command(subcommand)]
    pub(crate) what: NodeWhat,
}

/// What becomes of a box.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeWhat {
    /// Take a box out of the cluster
    ///
    /// Shows first what would change, and asks for the box's name. Then its tasks, its
    /// copy of the volume and its seat among the managers go to other boxes; when
    /// nothing is left on it, it loses its place for good and stays out. Any box of
    /// the cluster may be asked.
    #[command(after_help = "\
Examples:
  ashlarctl node remove ashlar-4f0c21aa --dry-run   what would change
  ashlarctl node remove ashlar-4f0c21aa             after typing its name
  ashlarctl node remove ashlar-4f0c21aa --yes && ashlarctl why")]
    Remove(Remove),
    /// Strike a box off at once that was stolen, or is not to be trusted
    ///
    /// Shows first what that box holds, and asks for its name. From then on no box serves
    /// it, whatever certificate it shows; it is not emptied, not waited for and not asked.
    /// Its copy and its seat go to other boxes as those of a lost one. It knows the ring's
    /// key, which must be changed besides. Any other box of the cluster may be asked.
    #[command(after_help = "\
Examples:
  ashlarctl node revoke ashlar-4f0c21aa --dry-run   what it holds, and what would change
  ashlarctl node revoke ashlar-4f0c21aa             after typing its name
  ashlarctl node revoke ashlar-4f0c21aa --typed ashlar-4f0c21aa
                                                    although it may hold the last copy")]
    Revoke(Revoke),
    /// Keep a box that is being taken out, while it has its place
    #[command(after_help = "Example: ashlarctl node keep ashlar-4f0c21aa")]
    Keep {
        /// Its name, as `ashlarctl members` lists it.
        name: String,
        /// One JSON object, and nothing else.
        #[arg(long)]
        json: bool,
    },
    /// Let this box in again, as a new one, after it was taken out
    #[command(after_help = "Example: ashlarctl node rejoin && ashlarctl wait")]
    Rejoin(Facts),
}

/// `ashlarctl node remove`.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// Its name, as `ashlarctl members` lists it.
    pub(crate) name: String,
    /// Do not ask. Still refused where the cluster cannot bear it.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Say what would change, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// One JSON object, and nothing else; needs --yes or --dry-run.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ashlarctl node revoke`.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Its name, as `ashlarctl members` lists it.
    pub(crate) name: String,
    /// Its name again, instead of being asked for it: does it even where its copy may be
    /// the last one.
    #[arg(long, value_name = "NAME")]
    pub(crate) typed: Option<String>,
    /// Do not ask. Still refused where its copy may be the last one.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Say what would change, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// One JSON object, and nothing else; needs --yes, --typed or --dry-run.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ashlarctl pki`.
#[derive(Debug, Args)]
pub(crate) struct Pki {
    #[command(subcommand)]
    pub(crate) what: PkiWhat,
}

/// What of the PKI.
#[derive(Debug, Subcommand)]
pub(crate) enum PkiWhat {
    /// The CA and its life, who holds its key, this box's certificate and the others'
    ///
    /// Every box that is alive is called for the certificate that it shows.
    #[command(after_help = "\
Examples:
  ashlarctl pki status
  ashlarctl pki status --json | jq -r .own.not_after")]
    Status(Facts),
    /// Replace the cluster's CA, and with it the certificate of every box
    ///
    /// Says first what would change. The new CA is minted on a box that holds the key of
    /// the one of now, which vouches for it. All that are on trust both, then get
    /// certificates of the new one, one after another, then trust no other. One that is
    /// off takes it when it is back, while it has its place in the cluster. No connection
    /// is dropped meanwhile, and a power cut only makes it go on.
    #[command(after_help = "\
Examples:
  ashlarctl pki rotate --dry-run    what would change
  ashlarctl pki rotate --yes && ashlarctl pki status
  ashlarctl --site shop pki rotate  the same from a workstation, with a pass")]
    Rotate(Rotate),
}

/// `ashlarctl ring`.
#[derive(Debug, Args)]
pub(crate) struct Ring {
    #[command(subcommand)]
    pub(crate) what: RingWhat,
}

/// What is asked of the ring's keys.
#[derive(Debug, Subcommand)]
pub(crate) enum RingWhat {
    /// Say which keys every box has, by fingerprint, and what is waited for
    #[command(after_help = "Example: ashlarctl ring status --json | jq -r '.boxes[].lacks'")]
    Status {
        /// One JSON object instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Replace the ring's key on every box, and with it what proves a box and seals the CA
    ///
    /// Says first what would change. The new key is made on a box and goes to the others
    /// over mutual TLS. All that are on take it, then use it, then forget the old one; one
    /// that is off takes it when it is back, while it has its place in the cluster. No box
    /// is unreachable for the others meanwhile, and a power cut only makes it go on.
    #[command(after_help = "\
Examples:
  ashlarctl ring rotate --dry-run    what would change
  ashlarctl ring rotate --yes && ashlarctl ring site --to site.toml
  ashlarctl --site shop ring rotate  the same from a workstation, with a pass")]
    Rotate(Rotate),
    /// Give out the site with the ring's new key, for new boxes and their sticks
    ///
    /// Root has it on every box. By a pass it is given out once for each key. It is a
    /// secret: who has it can join the cluster.
    #[command(after_help = "Example: ashlarctl --site shop ring site --to keys/shop/site.new.toml")]
    Site {
        /// Write it here, readable by you alone, and never over a file that is there;
        /// without it, to the standard output.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

/// `ashlarctl ring rotate`.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Say what would change, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not wait until it is over.
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Wait no longer than so many seconds; it goes on by itself.
    #[arg(long, short, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) timeout: u64,
    /// One JSON object, and nothing else; needs --yes or --dry-run.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ashlarctl cluster`.
#[derive(Debug, Args)]
pub(crate) struct Cluster {
    #[command(subcommand)]
    pub(crate) what: ClusterWhat,
}

/// What becomes of a cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterWhat {
    /// Let the cluster of this box dissolve into another one of its site
    ///
    /// For two clusters of one site that both hold data: no box decides by itself then.
    /// Says first what would be lost, and asks for the site's name. Then each box of this
    /// cluster sets its copy of the volume aside below /data/bricks, where it stays, and
    /// joins the other cluster as a new box. Services, configs and secrets that no recipe
    /// ships are lost: keep what you need of them first.
    #[command(after_help = "\
Examples:
  ashlarctl cluster merge --into 4f0c21aa --dry-run     what would be lost
  ashlarctl cluster merge --into 4f0c21aa               after typing the site's name
  ashlarctl cluster merge --into 4f0c21aa --name shop && ashlarctl wait")]
    Merge(Merge),
}

/// `ashlarctl cluster merge`.
#[derive(Debug, Args)]
pub(crate) struct Merge {
    /// The cluster that goes on: its id, as the alert names it, or the first letters of it.
    #[arg(long, value_name = "CLUSTER")]
    pub(crate) into: String,
    /// Go on without the boxes of this cluster that are not seen.
    #[arg(long)]
    pub(crate) partial: bool,
    /// The name of the site, instead of being asked for it.
    #[arg(long, value_name = "SITE")]
    pub(crate) name: Option<String>,
    /// Say what would be lost, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// One JSON object, and nothing else; needs --name or --dry-run.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ashlarctl support`.
#[derive(Debug, Args)]
pub(crate) struct Support {
    #[command(subcommand)]
    pub(crate) what: SupportWhat,
}

/// What is collected.
#[derive(Debug, Subcommand)]
pub(crate) enum SupportWhat {
    /// One file with status, history, units, hardware and journals of a box
    ///
    /// A tar.zst to hand to whoever helps, readable by you alone. No key, PIN or password
    /// of the site is in it: where a journal quotes one, it is taken out. Names,
    /// addresses, serial numbers and what programs wrote to the journal are in it. Root
    /// and admins may have it.
    #[command(after_help = "\
Examples:
  ashlarctl support bundle                    into this directory, named by box and time
  ashlarctl support bundle --to shop.tar.zst && tar --zstd -tf shop.tar.zst
  ashlarctl --site shop --node ashlar-4f0c21aa support bundle")]
    Bundle {
        /// Write it here instead of into this directory, under the box's name; never over
        /// a file that is there.
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// One JSON object, and nothing else.
        #[arg(long)]
        json: bool,
    },
}

/// `ashlarctl admin`.
#[derive(Debug, Args)]
pub(crate) struct Admin {
    #[command(subcommand)]
    pub(crate) what: AdminWhat,
}

/// What becomes of passes.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminWhat {
    /// Hand the cluster the list of passes that count no more
    ///
    /// `ashlar site admin revoke` makes it where the site is. Every box that is on takes
    /// it at once; one that is off learns it from the others.
    #[command(after_help = "Example: ashlarctl --site shop admin revoke keys/shop/revoked.pem")]
    Revoke {
        /// The list.
        list: PathBuf,
        /// One JSON object, and nothing else.
        #[arg(long)]
        json: bool,
    },
}

/// `ashlarctl reset`.
#[derive(Debug, Args)]
pub(crate) struct Reset {
    #[command(subcommand)]
    pub(crate) what: ResetWhat,
}

/// How much is taken away.
#[derive(Debug, Subcommand)]
pub(crate) enum ResetWhat {
    /// What containers left on this box: they start again from nothing
    ///
    /// Stops the container engine, and removes containers, images and local volumes
    /// of this box. It stays in its cluster, and files below /srv/cluster stay.
    #[command(after_help = "\
Examples:
  ashlarctl reset workloads --dry-run             what would be lost
  ashlarctl reset workloads --name ashlar-4f0c    local volumes too, without a question")]
    Workloads(Confirm),
    /// The place of this box in its cluster: it joins anew
    ///
    /// Leaves Swarm, storage, certificates and ring, and keeps the site. The copy of
    /// the volume is set aside below /data/bricks, where it stays. The box then looks
    /// for a cluster as on its first day, as a node of another name and address. A
    /// power cut only makes it go on. Its old place is lost to the others, and is
    /// given away after the grace time.
    #[command(after_help = "\
Examples:
  ashlarctl reset cluster --dry-run               what would be lost
  ashlarctl reset cluster --name ashlar-4f0c      although it may hold the last copy")]
    Cluster(Confirm),
    /// All state and data of this box, for good
    ///
    /// Says first what would be lost, and whether the cluster can bear it. The box
    /// reboots within seconds and comes back as before its first boot; a power cut
    /// only makes it begin again.
    #[command(after_help = "\
Examples:
  ashlarctl reset factory --dry-run               what would be lost
  ashlarctl reset factory --keep-site             come back as a new node of this site
  ashlarctl reset factory --new-site site.toml    come back as a node of another site
  ashlarctl reset factory --name ashlar-4f0c      although it may hold the last copy")]
    Factory(Factory),
    /// All state and data of every box of this site, for good
    ///
    /// Asks every box what it would lose, and for the site's name. Then all of them
    /// reset themselves as by `reset factory`, this one last. A box that does not answer
    /// holds the others back, unless --partial is given: it keeps what it has.
    #[command(after_help = "\
Examples:
  ashlarctl reset site --dry-run             what would be lost on every box
  ashlarctl reset site --keep-site           begin the site anew
  ashlarctl reset site --partial             although a box is off")]
    Site(ResetSite),
}

/// `ashlarctl reset site`.
#[derive(Debug, Args)]
pub(crate) struct ResetSite {
    /// Come back with the site that the boxes have now. Without this they forget it.
    #[arg(long)]
    pub(crate) keep_site: bool,
    /// Go on without the boxes that do not answer.
    #[arg(long)]
    pub(crate) partial: bool,
    /// The name of the site, instead of being asked for it.
    #[arg(long, value_name = "SITE")]
    pub(crate) name: Option<String>,
    /// Say what would be lost, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// One JSON object, and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ashlarctl reset factory`.
#[derive(Debug, Args)]
pub(crate) struct Factory {
    /// Come back with the site that the box has now. Without this and --new-site it
    /// forgets its site.
    #[arg(long, conflicts_with = "new_site")]
    pub(crate) keep_site: bool,
    /// Come back with this site.
    #[arg(long, value_name = "FILE")]
    pub(crate) new_site: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) confirm: Confirm,
}

/// What every reset is told.
#[derive(Debug, Args)]
pub(crate) struct Confirm {
    /// The name of this node: does it even where no other healthy copy is in sight.
    #[arg(long, value_name = "NODE")]
    pub(crate) name: Option<String>,
    /// Do not ask. Still refused where no other healthy copy is in sight.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Say what would be lost, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// One JSON object, and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Command {
    /// It does something to the box that is asked, or tells of that box alone: from
    /// elsewhere that box must be named.
    pub(crate) fn is_of_one_box(&self) -> bool {
        match self {
            Self::Power(_)
            | Self::Reset(_)
            | Self::Network(_)
            | Self::Hardware(_)
            | Self::Check(Check { schema: false, .. })
            | Self::Cluster(_)
            | Self::Support(_) => true,
            Self::Node(node) => matches!(node.what, NodeWhat::Rejoin(_)),
            _ => false,
        }
    }
}

/// A [`Phase`] as a word of the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted(pub(crate) Phase);

impl ValueEnum for Wanted {
    fn value_variants<'a>() -> &'a [Self] {
        use Phase::{Identity, Pki, Ready, Ring, Storage, Swarm};
        &[Self(Identity), Self(Ring), Self(Pki), Self(Storage), Self(Swarm), Self(Ready)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.as_str()))
    }
}
