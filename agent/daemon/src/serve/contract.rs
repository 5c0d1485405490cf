//! What an answer may be, by `docs/reference/openapi.json`.

use ashlar_api::openapi::{OPERATIONS, document};
use ashlar_api::route;
use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;
use std::collections::BTreeMap;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Answer {
    /// Of what came over a stream.
    pub(super) fn read(answer: &str) -> Self {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let in_chunks = head.to_lowercase().contains("transfer-encoding: chunked");
        let body = if in_chunks { whole(body) } else { body.to_owned() };
        Self { status: status.unwrap_or_default(), body }
    }
}

/// A body that came in chunks; what breaks off is no answer.
fn whole(chunks: &str) -> String {
    let (mut whole, mut rest) = (String::new(), chunks);
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.push_str(&after[..length]);
        rest = &after[length + 2..];
    }
    panic!("the answer breaks off: {chunks}");
}

/// The schema of each answer, and of a refusal.
pub(super) struct Contract {
    document: Value,
    schemas: Schemas,
    answers: BTreeMap<(&'static str, &'static str), SchemaIndex>,
    refusal: SchemaIndex,
}

impl Contract {
    pub(super) fn read() -> Self {
        let (document, mut schemas) = (document(), Schemas::new());
        let mut compiler = Compiler::new();
        compiler.add_resource("https://box/openapi.json", document.clone()).unwrap();
        let mut at = |place: &str| {
            let place = format!("https://box/openapi.json#{place}");
            compiler.compile(&place, &mut schemas).unwrap()
        };
        let answers = OPERATIONS.iter().map(|operation| {
            let path = operation.path.replace('/', "~1");
            let method = operation.method.to_lowercase();
            let kind = if operation.streams { route::LINES_TYPE } else { "application/json" };
            let kind = kind.replace('/', "~1");
            let place = format!("/paths/{path}/{method}/responses/200/content/{kind}/schema");
            ((operation.method, operation.path), at(&place))
        });
        let answers = answers.collect();
        let refusal = at("/components/schemas/ApiError");
        Self { document, schemas, answers, refusal }
    }

    /// The answer is one that is published for this request; says whether it is one
    /// that was asked for.
    pub(super) fn holds(&self, method: &str, path: &str, answer: &Answer) -> Result<bool, String> {
        let Answer { status, body } = answer;
        if *status == 500 {
            return Err("a fault of the box".into());
        }
        if method == "HEAD" {
            return Ok(*status == 200);
        }
        let streams = OPERATIONS.iter().any(|o| o.streams && (o.method, o.path) == (method, path));
        let asked = self.answers.iter().find(|((m, p), _)| (*m, *p) == (method, path));
        if *status == 200 && streams {
            let (_, schema) = asked.ok_or("answers what nobody may ask")?;
            for line in body.lines() {
                let said: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
                self.schemas.validate(&said, *schema).map_err(|error| format!("{error:#}"))?;
            }
            return Ok(true);
        }
        let said: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
        if *status == 200 {
            let (_, schema) = asked.ok_or("answers what nobody may ask")?;
            self.schemas.validate(&said, *schema).map_err(|error| format!("{error:#}"))?;
            return Ok(true);
        }
        self.schemas.validate(&said, self.refusal).map_err(|error| format!("{error:#}"))?;
        let refusal = said["refusal"].as_str().unwrap_or_default();
        let wanted = &self.document["x-refusals"][refusal];
        if *wanted != *status {
            return Err(format!("{refusal} goes with {wanted}"));
        }
        Ok(false)
    }
}
