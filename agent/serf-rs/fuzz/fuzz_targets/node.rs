//! A node among neighbours who say anything, on virtual time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serf_rs::{Config, Event, Node, Output, QueryId, QueryRequest, StreamId, Time};
use serf_rs_fuzz::{Input, MOST_HELD, bounded, memory};
use std::net::SocketAddr;
use std::time::Duration;

/// The largest packet.
const PACKET: usize = 1400;

/// Most outputs to one input: a packet has 255 messages at most, and each of
/// them may be answered, told on, and reported.
const OUTPUTS: usize = 4096;

/// Most bytes that a node keeps, whatever it was told: 16,384 members and as
/// many who are gone, 4,096 rumours of each of four topics, 1 MiB of events.
const KEPT: usize = 96 << 20;

fuzz_target!(|bytes: &[u8]| {
    let ((), kept) = memory::growth_of(|| bounded(MOST_HELD, || live(bytes)));
    assert!(kept < 1 << 20, "a node that is gone leaves {kept} bytes behind");
});

fn live(bytes: &[u8]) {
    let here: SocketAddr = ([10, 0, 0, 1], 7946).into();
    let node = Node::new(Time::START, Config::new("mason", here), [1; 32]);
    let mut world = World {
        node: node.expect("a good configuration"),
        now: Time::START,
        streams: Vec::new(),
        asked: Vec::new(),
        left: false,
    };
    world.drain();
    let mut input = Input(bytes);
    let ((), kept) = memory::growth_of(|| while world.step(&mut input).is_some() {});
    assert!(kept <= KEPT, "the node keeps {kept} bytes");
    let own = world.node.member("mason").expect("a node knows itself");
    assert_eq!(own.address, here, "somebody moved us");
}

struct World {
    node: Node,
    now: Time,
    streams: Vec<StreamId>,
    asked: Vec<QueryId>,
    left: bool,
}

impl World {
    /// One thing happens: a byte says what.
    fn step(&mut self, input: &mut Input<'_>) -> Option<()> {
        let what = input.byte()?;
        let from: SocketAddr = ([10, 0, 0, 2 + (what >> 4)], 7946).into();
        match what & 7 {
            0 | 1 => {
                let length = input.number()?;
                self.node.packet(self.now, from, input.take(length));
            }
            2 => self.streams.extend(self.node.stream_accepted(self.now, from)),
            3 => {
                let (which, length) = (input.byte()?, input.number()?);
                if let Some(stream) = self.stream(which) {
                    self.node.stream_data(self.now, stream, input.take(length));
                }
            }
            4 => {
                let which = input.byte()?;
                if let Some(stream) = self.stream(which) {
                    self.node.stream_closed(self.now, stream, "they hung up");
                }
            }
            5 | 6 => {
                let pause = input.number()?;
                self.wait(Duration::from_millis(pause as u64 * if what & 7 == 5 { 1 } else { 20 }));
            }
            _ => self.call(input.byte()?, from),
        }
        self.drain();
        Some(())
    }

    fn stream(&self, which: u8) -> Option<StreamId> {
        self.streams.get(usize::from(which) % self.streams.len().max(1)).copied()
    }

    /// Time passes, and everything due is done when it is due.
    fn wait(&mut self, pause: Duration) {
        let end = self.now + pause;
        for _ in 0..100_000 {
            let Some(next) = self.node.next_timeout().filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            self.node.handle_timeout(self.now);
            self.drain();
        }
        panic!("time does not pass: something is due again and again");
    }

    /// The program that owns the node does something.
    fn call(&mut self, what: u8, to: SocketAddr) {
        match what % 6 {
            0 => drop(self.node.join(self.now, &[to], what & 64 != 0)),
            1 => drop(self.node.user_event(self.now, "deploy", vec![what; 8], false)),
            2 => {
                let request = QueryRequest { name: "load".into(), ..QueryRequest::default() };
                drop(self.node.query(self.now, QueryRequest { ack: true, ..request }));
            }
            3 => {
                if let Some(query) = self.asked.pop() {
                    drop(self.node.respond(self.now, query, vec![what; 32]));
                }
            }
            4 => drop(self.node.force_leave(self.now, "quarry", what & 64 != 0)),
            _ => {
                let tags = [("role".to_owned(), what.to_string())].into();
                self.node.set_tags(self.now, tags).expect("a short tag");
            }
        }
    }

    /// Looks at everything that the node wants.
    fn drain(&mut self) {
        for count in 0.. {
            let Some(output) = self.node.poll_output() else { return };
            assert!(count < OUTPUTS, "more than {OUTPUTS} outputs at once");
            match output {
                Output::Packet { bytes, .. } => {
                    assert!((1..=PACKET).contains(&bytes.len()), "{} bytes", bytes.len());
                }
                Output::StreamOpen { stream, .. } => self.streams.push(stream),
                Output::StreamClose { stream } => self.streams.retain(|open| *open != stream),
                Output::Event(Event::Query(query)) => self.asked.push(query.id),
                Output::Left => self.left = true,
                _ => {}
            }
        }
    }
}
