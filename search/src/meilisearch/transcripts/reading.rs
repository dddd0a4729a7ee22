//! Reads the recordings, and compares with them.

use std::path::PathBuf;

use serde_json::Value;

/// A request, its answer and, of a write, its task.
pub(super) struct Exchange {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Body,
    pub(super) status: u16,
    /// None where the recording ends before the answer does.
    pub(super) answer: Option<Value>,
    pub(super) task: Option<TaskLine>,
}

pub(super) enum Body {
    None,
    Json(Value),
    /// JSON lines.
    Lines(String),
    /// The documents before the recording ends.
    CutOff(Vec<Value>),
}

/// What became of a task.
#[derive(Debug)]
pub(super) struct TaskLine {
    pub(super) uid: u64,
    pub(super) status: String,
    pub(super) kind: String,
    pub(super) details: Value,
    /// That of its error.
    pub(super) code: Option<String>,
}

pub(super) enum Step {
    Exchange(Exchange),
    /// A task whose request was not recorded.
    Task(TaskLine),
}

impl Exchange {
    pub(super) fn what(&self) -> String {
        let body = match &self.body {
            Body::Json(body) => body.to_string(),
            _ => String::new(),
        };
        format!("{} {} {body}", self.method, self.path)
    }

    pub(super) fn is_federated(&self) -> bool {
        matches!(&self.body, Body::Json(body) if !body["federation"].is_null())
    }
}

/// All recordings, one after another, for they are of one server.
pub(super) fn transcripts() -> Option<Vec<Step>> {
    let shared = std::env::var_os("DOORSTEP_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let files = std::fs::read_dir(shared.join("meilisearch"))
        .into_iter()
        .flatten();
    let paths = files.map(|file| file.unwrap().path());
    let is_text = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "txt");
    let mut paths: Vec<PathBuf> = paths.filter(is_text).collect();
    paths.sort();
    if paths.is_empty() {
        eprintln!("skipped: no recorded conversations with Meilisearch (set DOORSTEP_SHARED)");
        return None;
    }
    let texts = paths
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap());
    Some(texts.flat_map(|text| steps(&text)).collect())
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(request) = line.strip_prefix(">>> ") {
            let answer = lines.next().unwrap().strip_prefix("<<< ").unwrap();
            steps.push(Step::Exchange(exchange(request, answer)));
        } else if let Some(told) = line.strip_prefix("    task ") {
            let task = task(told);
            match steps.last_mut() {
                Some(Step::Exchange(last)) if last.begins(task.uid) => last.task = Some(task),
                _ => steps.push(Step::Task(task)),
            }
        }
    }
    steps
}

impl Exchange {
    fn begins(&self, task: u64) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|answer| answer["taskUid"] == task)
    }
}

/// `METHOD PATH BODY` and `STATUS (MILLISECONDS) BODY`
fn exchange(request: &str, answer: &str) -> Exchange {
    let mut request = request.splitn(3, ' ');
    let [method, path] = [(); 2].map(|()| request.next().unwrap().to_owned());
    let (status, answer) = answer.split_once(' ').unwrap();
    let (_, answer) = answer.split_once(") ").unwrap();
    Exchange {
        method,
        path,
        body: body(request.next().unwrap_or_default()),
        status: status.parse().unwrap(),
        answer: serde_json::from_str(answer).ok(),
        task: None,
    }
}

fn body(text: &str) -> Body {
    if text.is_empty() {
        return Body::None;
    }
    let lines = text
        .strip_prefix("b'")
        .and_then(|text| text.strip_suffix('\''));
    if let Some(lines) = lines {
        return Body::Lines(lines.replace("\\n", "\n"));
    }
    serde_json::from_str(text).map_or_else(
        |_| {
            let (complete, _) = text.rsplit_once("}, {").unwrap();
            Body::CutOff(serde_json::from_str(&format!("{complete}}}]")).unwrap())
        },
        Body::Json,
    )
}

/// `UID: STATUS type=TYPE … details=JSON error=…`
fn task(told: &str) -> TaskLine {
    let (uid, told) = told.split_once(": ").unwrap();
    let (status, told) = told.split_once(" type=").unwrap();
    let (kind, told) = told.split_once(' ').unwrap();
    let (_, told) = told.split_once(" details=").unwrap();
    let (details, error) = told.split_once(" error=").unwrap();
    let code = error.split_once("'code': '").map(|(_, rest)| rest);
    let code = code.and_then(|rest| rest.split_once('\''));
    TaskLine {
        uid: uid.parse().unwrap(),
        status: status.to_owned(),
        kind: kind.to_owned(),
        details: serde_json::from_str(details).unwrap(),
        code: code.map(|(code, _)| code.to_owned()),
    }
}

/// What is another in every run, of which the type alone is compared.
const VOLATILE: [&str; 18] = [
    "avgDocumentSize",
    "commitDate",
    "commitSha",
    "createdAt",
    "databaseSize",
    "duration",
    "enqueuedAt",
    "finishedAt",
    "key",
    "lastUpdate",
    "performanceDetails",
    "processingTimeMs",
    "rawDocumentDbSize",
    "requestUid",
    "startedAt",
    "updatedAt",
    "usedDatabaseSize",
    // Of a key; those of tasks are numbers and compared.
    "uid",
];
/// How exact numbers with a fraction have to be.
const EXACT: f64 = 1e-3;

/// Whether an answer is what was recorded; an error says where it is not.
pub(super) fn same(recorded: &Value, answer: &Value) -> Result<(), String> {
    compared("", "", recorded, answer)
}

fn compared(at: &str, name: &str, recorded: &Value, answer: &Value) -> Result<(), String> {
    let other = || Err(format!("{at}: {answer} instead of {recorded}"));
    match (recorded, answer) {
        (Value::Object(_), Value::Object(_)) if VOLATILE.contains(&name) => Ok(()),
        (Value::Object(recorded), Value::Object(found)) => {
            if let Some(name) = found.keys().find(|name| !recorded.contains_key(*name)) {
                return Err(format!("{at}.{name} is too many"));
            }
            recorded.iter().try_for_each(|(name, recorded)| {
                let at = format!("{at}.{name}");
                let found = found.get(name).ok_or_else(|| format!("{at} is missing"))?;
                compared(&at, name, recorded, found)
            })
        }
        (Value::Array(recorded), Value::Array(found)) if recorded.len() == found.len() => {
            let both = recorded.iter().zip(found).enumerate();
            both.into_iter().try_for_each(|(place, (recorded, found))| {
                compared(&format!("{at}[{place}]"), name, recorded, found)
            })
        }
        (Value::String(_), Value::String(_)) if VOLATILE.contains(&name) => Ok(()),
        (Value::Number(_), Value::Number(_)) if VOLATILE.contains(&name) && name != "uid" => Ok(()),
        // The lines that follow explain.
        (Value::String(recorded), Value::String(found)) if name == "message" => {
            let is_same = recorded.lines().next() == found.lines().next();
            if is_same { Ok(()) } else { other() }
        }
        (Value::Number(recorded), Value::Number(found)) => {
            let apart = recorded.as_f64().unwrap() - found.as_f64().unwrap();
            let is_same = recorded == found || (!recorded.is_u64() && apart.abs() < EXACT);
            if is_same { Ok(()) } else { other() }
        }
        _ if recorded == answer => Ok(()),
        _ => other(),
    }
}

#[test]
fn an_answer_that_is_another_is_told() {
    let recorded = serde_json::json!({
        "hits": [{ "id": 1, "_rankingScore": 0.5 }], "message": "a\nb", "processingTimeMs": 3,
    });
    let told = |change: fn(&mut Value)| {
        let mut answer = recorded.clone();
        change(&mut answer);
        same(&recorded, &answer).err()
    };
    assert_eq!(told(|_| ()), None);
    assert_eq!(told(|answer| answer["processingTimeMs"] = 5.into()), None);
    assert_eq!(told(|answer| answer["message"] = "a".into()), None);
    assert!(told(|answer| answer["processingTimeMs"] = "5".into()).is_some());
    assert!(told(|answer| answer["message"] = "b".into()).is_some());
    assert!(told(|answer| answer["hits"][0]["id"] = 2.into()).is_some());
    assert!(told(|answer| answer["hits"][0]["_rankingScore"] = 0.6.into()).is_some());
    assert!(told(|answer| answer["more"] = 1.into()).is_some());
    assert!(told(|answer| answer["hits"] = Value::Array(Vec::new())).is_some());
}
