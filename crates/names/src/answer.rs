//! One question, one answer: which records of the table, in which order, with which code.

use std::net::Ipv4Addr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, SOA, SRV};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use crate::table::{Instance, NameRecords, Snapshot};

/// Most instances in one answer (DISC-DNS-1).
const MAX_INSTANCES: usize = 8;
/// Priority and weight of every SRV record (DISC-DNS-7).
const SRV_PRIORITY: u16 = 1;
const SRV_WEIGHT: u16 = 1;
/// Seconds a resolver may remember that a name does not exist. Route 53 lets a zone choose
/// (DISC-NS-10); short, because here a name that is missing is usually one about to come.
const NEGATIVE_TTL_S: u32 = 5;
/// Largest UDP answer we send to a client that takes more than 512 bytes: what passes unfragmented.
const MAX_UDP_PAYLOAD: u16 = 1232;
/// UDP answer size without EDNS (RFC 1035 4.2.1).
const PLAIN_UDP_PAYLOAD: u16 = 512;
/// A DNS message header.
const HEADER_LEN: usize = 12;

/// What the question came over, which bounds the size of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram: 512 bytes, or what EDNS allows.
    Udp,
    /// A stream: 65,535 bytes.
    Tcp,
}

/// Answers a message as it came from the wire; `None` where silence is the only right answer
/// (too short for a header, or itself an answer, to which answering could go on for ever).
///
/// `seed` decides which instances are picked and in which order.
#[must_use]
pub fn respond(
    names: &Snapshot,
    request: &[u8],
    seed: u64,
    transport: Transport,
) -> Option<Vec<u8>> {
    let header = request.get(..HEADER_LEN)?;
    if header[2] & 0x80 != 0 {
        return None;
    }
    let id = u16::from_be_bytes([header[0], header[1]]);
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    // One question, no answers, no authorities, a few additionals (EDNS, TSIG): anything else is
    // not worth the memory its own counters would make the decoder reserve.
    let plausible = count(4) == 1 && count(6) == 0 && count(8) <= 1 && count(10) <= 4;
    let parsed = if plausible { Message::from_vec(request).ok() } else { None };
    let Some(query) = parsed else {
        let op_code = OpCode::from_u8((header[2] >> 3) & 0x0f);
        return Message::error_msg(id, op_code, ResponseCode::FormErr).to_vec().ok();
    };
    let mut response = answer(names, &query, seed);
    let limit = match transport {
        Transport::Tcp => usize::from(u16::MAX),
        Transport::Udp if query.edns.is_none() => usize::from(PLAIN_UDP_PAYLOAD),
        Transport::Udp => usize::from(query.max_payload().min(MAX_UDP_PAYLOAD)),
    };
    let bytes = response.to_vec().ok()?;
    if bytes.len() <= limit {
        return Some(bytes);
    }
    // Additional records are a courtesy and may be left out without saying so (RFC 2181 9).
    response.additionals.clear();
    let bytes = response.to_vec().ok()?;
    if bytes.len() <= limit {
        return Some(bytes);
    }
    response.truncate().to_vec().ok()
}

/// Answers a parsed message. Sizes are not considered; see [`respond`].
#[must_use]
pub fn answer(names: &Snapshot, query: &Message, seed: u64) -> Message {
    let mut response = Message::new(query.id, MessageType::Response, query.op_code);
    response.metadata.recursion_desired = query.recursion_desired;
    response.add_queries(query.queries.iter().cloned());
    if let Some(edns) = &query.edns {
        let mut own = Edns::new();
        own.set_max_payload(MAX_UDP_PAYLOAD);
        own.set_version(0);
        response.set_edns(own);
        if edns.version() > 0 {
            response.metadata.response_code = ResponseCode::BADVERS;
            return response;
        }
    }
    if query.op_code != OpCode::Query {
        response.metadata.response_code = ResponseCode::NotImp;
        return response;
    }
    let [question] = query.queries.as_slice() else {
        response.metadata.response_code = ResponseCode::FormErr;
        return response;
    };
    response.metadata.response_code = match fill(names, question, seed, &mut response) {
        Outcome::Found => ResponseCode::NoError,
        Outcome::NoName => ResponseCode::NXDomain,
        Outcome::NotOurs => ResponseCode::Refused,
    };
    response
}

enum Outcome {
    /// The name exists, with or without records of the type asked for.
    Found,
    /// The zone is ours and has no such name.
    NoName,
    /// Not a zone of ours.
    NotOurs,
}

fn fill(names: &Snapshot, question: &Query, seed: u64, response: &mut Message) -> Outcome {
    if !matches!(question.query_class(), DNSClass::IN | DNSClass::ANY) {
        return Outcome::NotOurs;
    }
    let asked = question.name();
    let mut text = asked.to_ascii().to_ascii_lowercase();
    if text.ends_with('.') {
        text.pop();
    }
    let Some((left, namespace)) = names.namespace_of(&text) else { return Outcome::NotOurs };
    response.metadata.authoritative = true;
    let kind = question.query_type();
    let all = kind == RecordType::ANY;
    let mut exists = true;

    if left.is_empty() {
        if matches!(kind, RecordType::SOA | RecordType::ANY) {
            response.answers.extend(soa(names, namespace));
        }
    } else if let Some(records) = names.records(namespace, left).filter(|r| !r.instances.is_empty())
    {
        let picked = pick(records, seed);
        if all || kind == RecordType::A {
            response.add_answers(
                picked.iter().map(|i| address(asked.clone(), records.ttl_s, i.address)),
            );
        }
        if all || kind == RecordType::SRV {
            add_srv(&picked, records.ttl_s, asked, response);
        }
    } else if let Some((instance, ttl_s)) = instance_of(names, namespace, left) {
        if all || kind == RecordType::A {
            response.add_answer(address(asked.clone(), ttl_s, instance.address));
        }
    } else {
        exists = names.has_below(namespace, left);
    }

    if response.answers.is_empty() {
        response.add_authorities(soa(names, namespace));
    }
    if exists { Outcome::Found } else { Outcome::NoName }
}

/// Up to eight healthy instances at random, or of all when none is healthy (DISC-DNS-1,
/// DISC-DNS-2), in random order (DISC-DNS-9).
fn pick(records: &NameRecords, mut seed: u64) -> Vec<&Instance> {
    let mut candidates: Vec<&Instance> = records.instances.iter().filter(|i| i.healthy).collect();
    if candidates.is_empty() {
        candidates = records.instances.iter().collect();
    }
    let wanted = candidates.len().min(MAX_INSTANCES);
    for place in 0..wanted {
        let left = (candidates.len() - place) as u64;
        // The bias of a remainder over so few candidates is far below what anyone could see.
        let chosen = place + (split_mix(&mut seed) % left) as usize;
        candidates.swap(place, chosen);
    }
    candidates.truncate(wanted);
    candidates
}

fn add_srv(picked: &[&Instance], ttl_s: u32, service: &Name, response: &mut Message) {
    for instance in picked {
        let Some(port) = instance.port else { continue };
        let Ok(target) = service.prepend_label(instance.id.as_bytes()) else { continue };
        let data = SRV::new(SRV_PRIORITY, SRV_WEIGHT, port, target.clone());
        response.add_answer(Record::from_rdata(service.clone(), ttl_s, RData::SRV(data)));
        response.add_additional(address(target, ttl_s, instance.address));
    }
}

/// The instance that `<id>.<service>` names. Only SRV services have such names (DISC-DNS-7,
/// DISC-DNS-8).
fn instance_of<'a>(
    names: &'a Snapshot,
    namespace: &str,
    left: &str,
) -> Option<(&'a Instance, u32)> {
    let (id, service) = left.split_once('.')?;
    let records = names.records(namespace, service)?;
    let instance =
        records.instances.iter().find(|i| i.port.is_some() && i.id.eq_ignore_ascii_case(id))?;
    Some((instance, records.ttl_s))
}

fn address(name: Name, ttl_s: u32, address: Ipv4Addr) -> Record {
    Record::from_rdata(name, ttl_s, RData::A(A(address)))
}

fn soa(names: &Snapshot, namespace: &str) -> Option<Record> {
    let zone = Name::from_ascii(format!("{namespace}.")).ok()?;
    let server = zone.prepend_label("ns").ok()?;
    let contact = zone.prepend_label("hostmaster").ok()?;
    let data = SOA::new(server, contact, names.serial(), 7200, 900, 1_209_600, NEGATIVE_TTL_S);
    Some(Record::from_rdata(zone, NEGATIVE_TTL_S, RData::SOA(data)))
}

/// The SplitMix64 generator: one addition and two multiplications per number, any seed is good.
pub(crate) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
