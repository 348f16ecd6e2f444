//! Tests of whole collections.

mod crash;
mod damage;
mod discounts;
mod following;
mod limits;
mod model;
mod race;
mod searching;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::simulator::Simulator;
use super::{
    Collection, CollectionWriter, Content, Metadata, NewItem, Snapshot, Timestamp, WriterOptions,
    sample,
};
use crate::code::Code256;
use crate::error::Result;
use crate::fingerprint::{Fingerprint, Pipeline};

/// Options without a thread, so that every run is the same.
fn options() -> WriterOptions {
    WriterOptions {
        key: Some(sample::key()),
        background: false,
        ..WriterOptions::default()
    }
}

fn writer(disk: &Simulator) -> Result<CollectionWriter> {
    CollectionWriter::on(Arc::new(disk.clone()), Path::new("disk"), options())
}

fn reader(disk: &Simulator) -> Result<Collection> {
    Collection::on(
        Arc::new(disk.clone()),
        Path::new("disk"),
        Some(sample::key()),
    )
}

fn item(name: &str, fingerprint: &Fingerprint, label: &str) -> NewItem {
    let metadata = Metadata::added(Timestamp(0)).with_label(label);
    NewItem::new(name, fingerprint.clone()).with_metadata(metadata)
}

fn code_item(number: u64, label: &str) -> NewItem {
    let code = Code256([number, 1, 2, 3].map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    NewItem {
        name: String::new(),
        metadata: Metadata::added(Timestamp(0)).with_label(label),
        content: Content::Code {
            pipeline: Pipeline::Full,
            code,
            quality: 80,
            gradient: None,
        },
    }
}

/// The name that an item will have.
fn name_of(item: &NewItem) -> String {
    match &item.content {
        Content::Code { pipeline, code, .. } => pipeline.item_name(code),
        Content::Prints(_) | Content::Discount(..) => item.name.clone(),
    }
}

/// Names and labels of what is there.
fn contents(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let items = snapshot.items().map(|item| {
        let item = item.unwrap();
        (item.item, item.metadata.label.unwrap_or_default())
    });
    let all: BTreeMap<String, String> = items.collect();
    assert_eq!(all.len() as u64, snapshot.len(), "a name twice");
    all
}
