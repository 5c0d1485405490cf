//! News from the agent and the journal, fetched beside the screen so that neither
//! one that is stuck delays a key or a resize.

use anyhow::Result;
use ashlar_api::{
    AloneAnswer, AloneRequest, Client, ClientError, Event, Hardware, Network, NetworkAnswer,
    NetworkRequest, PowerAnswer, PowerRequest, Refusal, ResetAnswer, ResetRequest, Status,
    StickAnswer, StickRequest,
};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::MissedTickBehavior;

/// How often the agent is asked where the box stands,
const EVERY: Duration = Duration::from_secs(1);

/// in so many of these how it is connected,
const SLOWER: u32 = 5;

/// and in so many what it is made of and what it did.
const SLOWEST: u32 = 30;

/// How long the journal may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of the journal is shown.
const LINES: &str = "--lines=400";

/// What came.
#[derive(Debug)]
pub(crate) enum News {
    /// What the agent said, or why it said nothing.
    Status(Result<Box<Status>, String>),
    /// The ports.
    Network(Network),
    /// The machine.
    Hardware(Hardware),
    /// What the box did.
    History(Vec<Event>),
    /// The end of the journal, or why it cannot be read.
    Logs(Result<Vec<String>, String>),
    /// How an action went.
    Reply(Result<Reply, Refused>),
}

/// What the agent answered to an action.
#[derive(Debug)]
pub(crate) enum Reply {
    /// To one that takes the box down.
    Power(PowerAnswer),
    /// To a reset.
    Reset(ResetAnswer),
    /// To a bundle that goes onto a stick.
    Stick(StickAnswer),
    /// To a change of the network.
    Network(NetworkAnswer),
    /// To going on without the other box.
    Alone(AloneAnswer),
}

impl Reply {
    /// The action is under way, and not only what it would mean told.
    pub(crate) const fn begun(&self) -> bool {
        match self {
            Self::Power(answer) => answer.begun,
            Self::Reset(answer) => answer.begun,
            Self::Alone(answer) => answer.begun,
            // When it is answered, it is over; or it is asked again how it stands.
            Self::Stick(_) | Self::Network(_) => false,
        }
    }
}

/// Why an action was not done.
#[derive(Debug)]
pub(crate) struct Refused {
    /// In a word, if the agent said it.
    pub(crate) refusal: Option<Refusal>,
    /// As a person reads it.
    pub(crate) words: String,
}

/// What the screen asks for.
#[derive(Debug)]
pub(crate) enum Ask {
    /// The journal.
    Logs,
    /// To take the box down.
    Power(PowerRequest),
    /// To reset it.
    Reset(ResetRequest),
    /// To write a support bundle onto a stick, or to say which there are.
    Stick(StickRequest),
    /// To change the network, or to say how a change stands.
    Network(NetworkRequest),
    /// To go on without the other box.
    Alone(AloneRequest),
}

/// Both ends of the feed.
#[derive(Debug)]
pub(crate) struct Feed {
    /// What came.
    pub(crate) news: Receiver<News>,
    /// Where to ask.
    pub(crate) asks: UnboundedSender<Ask>,
}

/// Asks about once a second, and whenever the screen does, until nobody listens.
pub(crate) fn start(client: Client) -> Result<Feed> {
    let runtime = runtime()?;
    let (tell, news) = channel();
    let (asks, asked) = unbounded_channel();
    std::thread::Builder::new()
        .name("feed".into())
        .spawn(move || runtime.block_on(run(client, tell, asked)))?;
    Ok(Feed { news, asks })
}

async fn run(client: Client, tell: Sender<News>, mut asked: UnboundedReceiver<Ask>) {
    let regular = async {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut turn = 0_u32;
        loop {
            tick.tick().await;
            let status = client.status().await.map(Box::new).map_err(|e| e.to_string());
            let mut news = vec![News::Status(status)];
            // A box whose agent is absent is asked nothing else.
            if matches!(news[..], [News::Status(Ok(_))]) {
                if turn.is_multiple_of(SLOWER) {
                    news.extend(client.network().await.ok().map(News::Network));
                }
                if turn.is_multiple_of(SLOWEST) {
                    news.extend(client.hardware().await.ok().map(News::Hardware));
                    news.extend(client.history().await.ok().map(News::History));
                }
                turn = turn.wrapping_add(1);
            }
            if news.into_iter().any(|piece| tell.send(piece).is_err()) {
                return;
            }
        }
    };
    let on_demand = async {
        while let Some(ask) = asked.recv().await {
            let (client, tell) = (client.clone(), tell.clone());
            tokio::spawn(async move { tell.send(answer(&client, ask).await) });
        }
    };
    tokio::select! {
        () = regular => {}
        () = on_demand => {}
    }
}

async fn answer(client: &Client, ask: Ask) -> News {
    match ask {
        Ask::Logs => News::Logs(logs().await),
        Ask::Power(request) => {
            News::Reply(client.power(&request).await.map(Reply::Power).map_err(refused))
        }
        Ask::Reset(request) => {
            News::Reply(client.reset(&request).await.map(Reply::Reset).map_err(refused))
        }
        Ask::Stick(request) => {
            News::Reply(client.support_stick(&request).await.map(Reply::Stick).map_err(refused))
        }
        Ask::Network(request) => {
            let answer = client.change_network(&request).await;
            News::Reply(answer.map(Reply::Network).map_err(refused))
        }
        Ask::Alone(request) => {
            News::Reply(client.alone(&request).await.map(Reply::Alone).map_err(refused))
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn refused(error: ClientError) -> Refused {
    let refusal = error.refusal().map(|error| error.refusal);
    Refused { refusal, words: error.to_string() }
}

/// The end of this boot's journal of our units, by `journalctl`: it is there when
/// the agent is not.
async fn logs() -> Result<Vec<String>, String> {
    let mut journalctl = Command::new("journalctl");
    journalctl.args(["--boot", "--no-pager", "--quiet", "--no-hostname", LINES]);
    journalctl.arg("--output=short-iso");
    journalctl.args(
        ashlar_api::OUR_UNITS
            .iter()
            .chain(ashlar_api::DAEMONS)
            .map(|unit| format!("--unit={unit}")),
    );
    journalctl.stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(PATIENCE, journalctl.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(format!("journalctl does not start: {error}")),
        Err(_) => return Err(format!("journalctl takes longer than {} s", PATIENCE.as_secs())),
    };
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Asks for all that the pages show, once.
pub(crate) fn once(client: &Client, with_logs: bool) -> Result<Vec<News>> {
    Ok(runtime()?.block_on(async {
        let status = client.status().await.map(Box::new).map_err(|e| e.to_string());
        let mut news = Vec::new();
        if status.is_ok() {
            news.extend(client.network().await.ok().map(News::Network));
            news.extend(client.hardware().await.ok().map(News::Hardware));
            news.extend(client.history().await.ok().map(News::History));
        }
        if with_logs {
            news.push(News::Logs(logs().await));
        }
        news.push(News::Status(status));
        news
    }))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
