//! What the scripts of Rust's clients share: the records that every client writes, and how a step
//! is told. See ../../doc.go for the steps and their order.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::future::Future;

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

pub const PER_CODEC: usize = 200;
pub const PARTITIONS: i32 = 6;
pub const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
pub const TOTAL: usize = PER_CODEC * CODECS.len();

/// Record n of the data, or one that was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    pub key: String,
    pub value: String,
    pub partition: i32,
    pub time: i64,
    pub codec: String,
    /// The header empty, which has no bytes.
    pub empty: Option<String>,
}

/// The time of record n in milliseconds.
pub fn time_of(n: usize) -> i64 {
    1_700_000_000_000 + n as i64 * 1000
}

/// The records from number first on, as they are written.
pub fn records(first: usize, count: usize) -> Vec<Record> {
    (first..first + count)
        .map(|n| Record {
            key: format!("key-{n}"),
            value: format!("value-{n}"),
            partition: n as i32 % PARTITIONS,
            time: time_of(n),
            codec: CODECS[n / PER_CODEC].to_string(),
            empty: Some(String::new()),
        })
        .collect()
}

/// Wants all records from number first on, each once, as they were written.
pub fn check(got: &[Record], first: usize) -> Result<()> {
    let mut want: BTreeSet<Record> = records(first, TOTAL - first).into_iter().collect();
    for r in got {
        if !want.remove(r) {
            return Err(format!("not written, or read twice: {r:?}").into());
        }
    }
    match want.len() {
        0 => Ok(()),
        n => Err(format!("{n} records are missing").into()),
    }
}

/// Tells how a step ended. The first that fails ends the program.
pub async fn step(name: impl Display, work: impl Future<Output = Result<()>>) {
    let limit = std::time::Duration::from_secs(40);
    let outcome = match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome.map_err(|e| e.to_string()),
        Err(_) => Err("not done in 40 s".to_string()),
    };
    if let Err(why) = outcome {
        println!("FAIL {name}: {}", why.replace('\n', " "));
        std::process::exit(1);
    }
    println!("ok {name}");
}
