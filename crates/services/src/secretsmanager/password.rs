//! Random passwords.

use neargate_core::Platform;
use serde_json::{Value, json};

use super::errors;
use crate::error::AwsError;
use crate::rooms::Rooms;
use crate::{Answer, fields};

/// The kinds of characters, and what leaves each of them out.
const KINDS: [(&str, &str); 4] = [
    ("abcdefghijklmnopqrstuvwxyz", "ExcludeLowercase"),
    ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "ExcludeUppercase"),
    ("0123456789", "ExcludeNumbers"),
    ("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "ExcludePunctuation"),
];
const DEFAULT_LENGTH: u64 = 32;

/// A number below that bound, each as likely as the others.
fn below(rooms: &dyn Rooms, bound: usize) -> usize {
    ((u128::from(rooms.random_bits()) * bound as u128) >> 64) as usize
}

pub(super) fn get(_: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let excluded = fields::text(input, "ExcludeCharacters").unwrap_or_default();
    let wants = |member: &str| fields::flag(input, member).unwrap_or(false);
    let mut kinds: Vec<Vec<char>> = KINDS
        .iter()
        .filter(|(_, member)| !wants(member))
        .map(|(kind, _)| kind.chars().filter(|c| !excluded.contains(*c)).collect())
        .collect();
    if wants("IncludeSpace") {
        kinds.push(vec![' ']);
    }
    kinds.retain(|kind| !kind.is_empty());
    let all: Vec<char> = kinds.iter().flatten().copied().collect();
    let length = fields::number(input, "PasswordLength").unwrap_or(DEFAULT_LENGTH) as usize;
    let one_of_each = fields::flag(input, "RequireEachIncludedType").unwrap_or(true);
    if all.is_empty() || (one_of_each && length < kinds.len()) {
        return Err(errors::invalid_parameter(
            "The password length is too short for the character types that are required.",
        ));
    }
    Answer::here(move |_, rooms| {
        let pick = |from: &[char]| from[below(rooms, from.len())];
        let mut password: Vec<char> = (0..length).map(|_| pick(&all)).collect();
        if one_of_each {
            // One of each kind at places of their own.
            let mut places: Vec<usize> = (0..length).collect();
            for kind in &kinds {
                let place = places.swap_remove(below(rooms, places.len()));
                password[place] = pick(kind);
            }
        }
        Ok(Answer::Now(json!({ "RandomPassword": password.into_iter().collect::<String>() })))
    })
}
