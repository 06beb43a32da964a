//! Reading a log beside its owner, or an image of one, as tail, verify and info do.

use anyhow::Context;
use edgelog::{Gap, GapReason, Item, OpenError, ReadError, Record, Start, View};
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

/// A record or gap together with its topic's name.
pub(crate) enum Met<'a> {
    Record(&'a str, Record<'a>),
    Gap(Gap),
}

/// What a reader was looking at, in the words of a user.
pub(crate) fn explain(error: ReadError) -> anyhow::Error {
    match error {
        ReadError::Medium(error) => error.into(),
        error => error.into(),
    }
}

/// Gives everything up to `until` (and what is visible) to `meet`, which says whether to go on. True when it said so to the end.
pub(crate) fn read_on(
    view: &mut View,
    until: u64,
    meet: &mut impl FnMut(Met<'_>) -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let topics = view.topics().to_vec();
    while view.offset() < until {
        let gap = match view.next().map_err(explain)? {
            None => return Ok(true),
            Some(Item::Record(record)) => {
                let topic = topics.iter().find(|topic| topic.id == record.topic);
                let name = topic.map_or("?", |topic| topic.name.as_str());
                if !meet(Met::Record(name, record))? {
                    return Ok(false);
                }
                continue;
            }
            Some(Item::Gap(gap)) => gap,
        };
        if !meet(Met::Gap(told_apart(view, gap)?))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where the last `count` records (of `topic`) begin: looked for backwards, so that a long log costs no pass over all of it.
pub(crate) fn last_records(dir: &Path, count: u64, topic: Option<&str>) -> anyhow::Result<Start> {
    let mut view = View::open(dir, Start::Latest)?;
    let (visible, earliest) = (view.visible(), view.earliest().map_err(explain)?);
    let mut window = count;
    loop {
        let from = visible.saturating_sub(window).max(earliest);
        let mut offsets = VecDeque::new();
        view = View::open(dir, Start::Offset(from))?;
        read_on(&mut view, visible, &mut |met| {
            if let Met::Record(name, record) = met
                && topic.is_none_or(|topic| topic == name)
            {
                offsets.push_back(record.identity.offset);
                if offsets.len() as u64 > count {
                    offsets.pop_front();
                }
            }
            Ok(true)
        })?;
        match offsets.front() {
            Some(&first) if offsets.len() as u64 == count => return Ok(Start::Offset(first)),
            _ if from == earliest => return Ok(Start::Offset(from)),
            _ => window = window.saturating_mul(16),
        }
    }
}

/// Bytes that all segments of the log's ring take.
pub(crate) fn ring_bytes(view: &View) -> u64 {
    let geometry = view.geometry();
    u64::from(geometry.segment_count()) * u64::from(geometry.segment_size())
}

/// The segment files of a log, plain and compressed, in order, with their sizes.
pub(crate) fn segment_files(dir: &Path) -> anyhow::Result<Vec<(PathBuf, u64)>> {
    let context = || format!("cannot read the folder {}", dir.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(context)? {
        let path = entry.with_context(context)?.path();
        let is_packed = path.extension().is_some_and(|it| it == "zst");
        let is_segment = is_plain(&path) || (is_packed && is_plain(&path.with_extension("")));
        // A file may go away between the listing and this look; a folder is none.
        if is_segment
            && let Ok(about) = fs::metadata(&path)
            && about.is_file()
        {
            files.push((path, about.len()));
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a segment file is not compressed.
pub(crate) fn is_plain(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "seg")
}

/// A reader that was overtaken by the owner finds bytes of another lap of the ring: those records were recycled, not damaged.
fn told_apart(view: &mut View, gap: Gap) -> Result<Gap, anyhow::Error> {
    if gap.reason != GapReason::Damaged {
        return Ok(gap);
    }
    view.refresh().map_err(|error: OpenError| anyhow::Error::from(error))?;
    if gap.to > view.earliest().map_err(explain)? {
        return Ok(gap);
    }
    // Whoever comes to it now is told why.
    let mut anew = View::open(view.path(), Start::Offset(gap.from))?;
    match anew.next().map_err(explain)? {
        Some(Item::Gap(Gap { reason, .. })) => Ok(Gap { reason, ..gap }),
        _ => Ok(gap),
    }
}
