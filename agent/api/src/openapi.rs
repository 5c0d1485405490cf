//! What may be asked on the local socket and on the people's port, as OpenAPI 3.1 made
//! from the types that travel: `docs/reference/openapi.json`.

use crate::{
    AloneAnswer, AloneRequest, ApiError, Event, Hardware, IntroductionAnswer, LogLine, LogsRequest,
    MergeAnswer, MergeRequest, Network, NetworkAnswer, NetworkRequest, NodeAnswer, NodeRequest,
    PkiAnswer, PkiRequest, PkiStatus, PowerAnswer, PowerRequest, Refusal, RejoinAnswer,
    RejoinRequest, ResetAnswer, ResetRequest, RevokedAnswer, RevokedRequest, RingAnswer,
    RingRequest, RingSiteAnswer, RingSiteRequest, SiteResetAnswer, SiteResetRequest, Status,
    StickAnswer, StickRequest, Support, route,
};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

type Body = fn(&mut SchemaGenerator) -> Schema;

/// One address with one method.
pub struct Operation {
    /// The method.
    pub method: &'static str,
    /// The path.
    pub path: &'static str,
    /// What the answer says, or what is done.
    pub about: &'static str,
    /// The least role of a person who may ask from elsewhere.
    pub role: &'static str,
    /// Who may ask on the local socket; nobody, where it is not there.
    pub here: Option<&'static str>,
    /// The answer is a stream of these, one a line, and no single one.
    pub streams: bool,
    query: Option<fn() -> Schema>,
    request: Option<Body>,
    answer: Body,
}

const GROUP: Option<&str> = Some("root, `ashlar-admin`, `ashlar-view`");
const NOTHING_DONE: &str = "root, `ashlar-admin`; `ashlar-view`, if nothing is to be done";
const SCREEN_OR_NOTHING_DONE: &str = "root, `ashlar-admin`, and the box's own screen with the \
     site's PIN; `ashlar-view`, if nothing is to be done";
const ROOT: Option<&str> = Some("root, `ashlar-admin`");
const SCREEN: Option<&str> =
    Some("root, `ashlar-admin`, and the box's own screen with the site's PIN");

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

const fn get<A: JsonSchema>(
    path: &'static str,
    role: &'static str,
    here: Option<&'static str>,
    about: &'static str,
) -> Operation {
    let answer: Body = of::<A>;
    let (streams, query, request) = (false, None, None);
    Operation { method: "GET", path, about, role, here, streams, query, request, answer }
}

/// With these parameters in the query, and lines for an answer.
const fn lines<Q: JsonSchema, A: JsonSchema>(
    path: &'static str,
    role: &'static str,
    here: Option<&'static str>,
    about: &'static str,
) -> Operation {
    let query: Option<fn() -> Schema> = Some(parameters_of::<Q>);
    Operation { streams: true, query, ..get::<A>(path, role, here, about) }
}

fn parameters_of<Q: JsonSchema>() -> Schema {
    let inline = |s: &mut SchemaSettings| s.inline_subschemas = true;
    let settings = SchemaSettings::draft2020_12().for_deserialize().with(inline);
    settings.into_generator().into_root_schema_for::<Q>()
}

const fn post<Q: JsonSchema, A: JsonSchema>(
    path: &'static str,
    here: Option<&'static str>,
    about: &'static str,
) -> Operation {
    let (request, answer): (Option<Body>, Body) = (Some(of::<Q>), of::<A>);
    let (streams, query) = (false, None);
    Operation { method: "POST", path, about, role: "admin", here, streams, query, request, answer }
}

/// All that may be asked.
pub const OPERATIONS: &[Operation] = &[
    get::<IntroductionAnswer>(
        route::INTRODUCTION,
        "view",
        None,
        "Proofs that this box is of the caller's site; asked first in a session.",
    ),
    get::<Status>(route::STATUS, "view", GROUP, "Where this box stands."),
    Operation {
        streams: true,
        ..get::<Status>(
            route::STATUS_FOLLOW,
            "view",
            GROUP,
            "The same, whenever it is another one and every five seconds, a line each.",
        )
    },
    get::<Vec<Event>>(
        route::HISTORY,
        "view",
        GROUP,
        "What this box did and could not do, the oldest first.",
    ),
    get::<Network>(route::NETWORK, "view", GROUP, "The ports of this box."),
    get::<Hardware>(route::HARDWARE, "view", GROUP, "The machine."),
    get::<PkiStatus>(
        route::PKI,
        "view",
        GROUP,
        "The cluster's CA, who holds its key, and whose certificate ends when.",
    ),
    lines::<LogsRequest, LogLine>(
        route::LOGS,
        "admin",
        ROOT,
        "What the agent and the daemons that it runs wrote to the journal, a line each.",
    ),
    get::<Support>(
        route::SUPPORT,
        "admin",
        ROOT,
        "What somebody needs who is asked what is wrong, without a secret of the site.",
    ),
    post::<StickRequest, StickAnswer>(
        route::SUPPORT_STICK,
        SCREEN,
        "Writes the same onto a stick in this box, or says which there are.",
    ),
    post::<NetworkRequest, NetworkAnswer>(
        route::NETWORK,
        SCREEN,
        "Tries another network, keeps or undoes it, or says how it stands.",
    ),
    post::<PowerRequest, PowerAnswer>(
        route::POWER,
        SCREEN,
        "Restarts this box or switches it off, or says what would be missing.",
    ),
    post::<ResetRequest, ResetAnswer>(
        route::RESET,
        SCREEN,
        "Resets this box, or says what would be lost.",
    ),
    post::<SiteResetRequest, SiteResetAnswer>(
        route::SITE_RESET,
        ROOT,
        "Resets every box of the site, or says what would be lost.",
    ),
    post::<NodeRequest, NodeAnswer>(
        route::NODE,
        Some(NOTHING_DONE),
        "Takes a box out of the cluster or keeps it, or says what would change.",
    ),
    post::<RejoinRequest, RejoinAnswer>(
        route::REJOIN,
        ROOT,
        "Lets this box in again that was taken out.",
    ),
    get::<RingAnswer>(route::RING, "view", GROUP, "How the ring's keys stand on every box."),
    post::<RingRequest, RingAnswer>(
        route::RING,
        Some(NOTHING_DONE),
        "Replaces the ring's key on every box, or says what would change.",
    ),
    post::<RingSiteRequest, RingSiteAnswer>(
        route::RING_SITE,
        ROOT,
        "The site with the ring's new key; for who is not root once for each key.",
    ),
    post::<PkiRequest, PkiAnswer>(
        route::PKI,
        Some(NOTHING_DONE),
        "Replaces the cluster's CA, or says what would change.",
    ),
    post::<RevokedRequest, RevokedAnswer>(
        route::REVOKED,
        ROOT,
        "Takes a newer list of revoked passes, and says which is the newest.",
    ),
    post::<MergeRequest, MergeAnswer>(
        route::MERGE,
        Some(NOTHING_DONE),
        "Lets this box's cluster dissolve into another one, or says what would be lost.",
    ),
    post::<AloneRequest, AloneAnswer>(
        route::ALONE,
        Some(SCREEN_OR_NOTHING_DONE),
        "Lets this box, the second of two, go on without the first, or says what would change.",
    ),
];

/// Every refusal that an answer may be.
const REFUSALS: [Refusal; 13] = [
    Refusal::BadRequest,
    Refusal::Unauthenticated,
    Refusal::Forbidden,
    Refusal::PinNeeded,
    Refusal::PinWrong,
    Refusal::TooSoon,
    Refusal::Retired,
    Refusal::TakenOut,
    Refusal::NotFound,
    Refusal::TooLarge,
    Refusal::AskAnother,
    Refusal::NotReady,
    Refusal::Internal,
];

fn content(schema: &Schema) -> Value {
    json!({ "application/json": { "schema": schema } })
}

/// What may stand in the query.
fn parameters(query: &Schema) -> Value {
    let properties = query.get("properties").and_then(Value::as_object);
    let parameter = |(name, schema): (&String, &Value)| {
        json!({ "name": name, "in": "query", "required": false, "schema": schema,
            "description": schema["description"] })
    };
    properties.into_iter().flatten().map(parameter).collect()
}

impl Operation {
    fn describe(&self, answers: &mut SchemaGenerator, requests: &mut SchemaGenerator) -> Value {
        let mut responses = Map::new();
        let answer = (self.answer)(answers);
        let told = if self.streams {
            let content = json!({ route::LINES_TYPE: { "schema": &answer } });
            json!({ "description": "Of these one a line, as they come.", "content": content })
        } else {
            json!({ "description": "The answer.", "content": content(&answer) })
        };
        responses.insert("200".into(), told);
        let error = of::<ApiError>(answers);
        responses.insert(
            "default".into(),
            json!({ "description": "A refusal.", "content": content(&error) }),
        );
        let mut said = json!({
            "summary": self.about,
            "x-role": self.role,
            "x-here": self.here,
            "responses": responses,
        });
        if let Some(query) = self.query {
            said["parameters"] = parameters(&query());
        }
        if let Some(request) = self.request {
            said["requestBody"] =
                json!({ "required": true, "content": content(&request(requests)) });
        }
        said
    }
}

/// The document.
#[must_use]
pub fn document() -> Value {
    let settings = || {
        SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into())
    };
    let mut answers = settings().for_serialize().into_generator();
    let mut requests = settings().for_deserialize().into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let said = operation.describe(&mut answers, &mut requests);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.to_lowercase()] = said;
    }
    let mut schemas = answers.take_definitions(true);
    schemas.extend(requests.take_definitions(true));
    let statuses: Map<String, Value> = REFUSALS
        .iter()
        .map(|refusal| {
            let word = json!(refusal).as_str().unwrap_or_default().to_owned();
            (word, refusal.status().as_u16().into())
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "What a box answers",
            "version": "1",
            "description": "HTTP over the socket /run/ashlar/agent.sock for the tools of the \
                box, and over mutual TLS 1.3 on port 7943 for people with a pass.",
        },
        "paths": paths,
        "components": { "schemas": schemas },
        "x-refusals": statuses,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_has_what_may_be_asked() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/openapi.json");
        let document = format!("{:#}\n", document());
        if std::env::var_os("ASHLAR_WRITE_BOOK").is_some() {
            std::fs::write(path, &document).unwrap();
        }
        assert!(
            std::fs::read_to_string(path).is_ok_and(|old| old == document),
            "docs/reference/openapi.json is out of date; make it anew with\n  \
             ASHLAR_WRITE_BOOK=1 cargo test -p ashlar-api --features schema book"
        );
    }

    #[test]
    fn every_refusal_stands_there_with_its_status() {
        let told = document();
        let words = told["components"]["schemas"]["Refusal"]["oneOf"].as_array().unwrap();
        let words = words.iter().map(|word| word["const"].as_str().unwrap());
        let unknown = ["unknown"];
        let refusals = told["x-refusals"].as_object().unwrap().keys().map(String::as_str);
        let listed: std::collections::BTreeSet<_> = refusals.chain(unknown).collect();
        assert_eq!(words.collect::<std::collections::BTreeSet<_>>(), listed);
    }

    #[test]
    fn a_name_stands_for_one_schema() {
        let told = document();
        let own = |operation: &Operation| {
            let (mut answers, mut requests) = (
                SchemaSettings::draft2020_12().for_serialize().into_generator(),
                SchemaSettings::draft2020_12().for_deserialize().into_generator(),
            );
            operation.describe(&mut answers, &mut requests);
            [answers.take_definitions(true), requests.take_definitions(true)]
        };
        for operation in OPERATIONS {
            for (name, schema) in own(operation).into_iter().flatten() {
                let text = schema.to_string().replace("#/$defs/", "#/components/schemas/");
                assert_eq!(told["components"]["schemas"][&name].to_string(), text, "{name}");
            }
        }
    }
}
