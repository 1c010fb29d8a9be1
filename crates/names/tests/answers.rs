//! Answers as a private Cloud Map namespace gives them, without sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use hickory_proto::op::{Edns, Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use neargate_names::{Instance, NameRecords, Table, Transport, answer, respond};
use proptest::prelude::*;

const TTL_S: u32 = 15;

fn instance(n: u8, healthy: bool, port: Option<u16>) -> Instance {
    Instance {
        id: format!("{:032x}", u128::from(n)),
        address: Ipv4Addr::new(127, 0, 1, n),
        port,
        healthy,
    }
}

fn table(instances: Vec<Instance>) -> Table {
    let table = Table::new();
    table.set("api.shop.local", NameRecords { ttl_s: TTL_S, instances }).expect("valid name");
    table
}

fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).expect("valid name"), kind));
    message
}

fn ask(table: &Table, name: &str, kind: RecordType, seed: u64) -> Message {
    answer(&table.snapshot(), &query(name, kind), seed)
}

fn addresses(response: &Message) -> Vec<u8> {
    response
        .answers
        .iter()
        .map(|record| match &record.data {
            RData::A(a) => a.0.octets()[3],
            other => panic!("not an address: {other:?}"),
        })
        .collect()
}

/// DISC-DNS-1, DISC-DNS-2, DISC-DNS-3: who is in an answer, by how many are healthy.
#[test]
fn disc_dns_1_2_up_to_eight_healthy_or_of_all_when_none_is() {
    // healthy, unhealthy, size of the answer, drawn from instances 1..=n
    for (healthy, unhealthy, size, from) in
        [(1, 0, 1, 1), (3, 4, 3, 3), (8, 3, 8, 8), (12, 5, 8, 12), (0, 3, 3, 3), (0, 12, 8, 12)]
    {
        let instances = (1..=healthy)
            .map(|n| instance(n, true, None))
            .chain((1..=unhealthy).map(|n| instance(healthy + n, false, None)))
            .collect();
        let table = table(instances);
        let mut seen = BTreeSet::new();
        for seed in 0..200 {
            let response = ask(&table, "api.shop.local.", RecordType::A, seed);
            let got = addresses(&response);
            let distinct: BTreeSet<u8> = got.iter().copied().collect();
            assert_eq!((got.len(), distinct.len()), (size, size), "{healthy}/{unhealthy}");
            assert!(response.answers.iter().all(|record| record.ttl == TTL_S));
            seen.extend(distinct);
        }
        assert_eq!(seen, (1..=from).collect(), "{healthy}/{unhealthy}: all take part");
    }
}

/// DISC-DNS-9: clients that take the first address spread over all of them.
#[test]
fn disc_dns_9_every_instance_comes_first_about_as_often() {
    let table = table((1..=12).map(|n| instance(n, true, None)).collect());
    let mut first = BTreeMap::new();
    for seed in 0..12_000 {
        let response = ask(&table, "api.shop.local.", RecordType::A, seed);
        *first.entry(addresses(&response)[0]).or_insert(0) += 1;
    }
    assert_eq!(first.len(), 12);
    assert!(first.values().all(|n| (850..1150).contains(n)), "{first:?}");
}

#[test]
fn the_same_seed_gives_the_same_answer() {
    let table = table((1..=12).map(|n| instance(n, true, None)).collect());
    let query = query("api.shop.local.", RecordType::A);
    let names = table.snapshot();
    assert_eq!(answer(&names, &query, 7).to_vec().ok(), answer(&names, &query, 7).to_vec().ok());
}

/// DISC-DNS-6 and the rules of the DNS around it.
#[test]
fn disc_dns_6_codes_by_name_and_type() {
    use RecordType as T;
    use ResponseCode as R;
    let table = table(vec![instance(1, true, None), instance(2, true, None)]);
    table
        .set("idle.shop.local", NameRecords { ttl_s: TTL_S, instances: Vec::new() })
        .expect("valid name");
    table
        .set(
            "_grpc._tcp.shop.local",
            NameRecords { ttl_s: TTL_S, instances: vec![instance(3, true, Some(50051))] },
        )
        .expect("valid name");
    for (name, kind, code, answers, soa) in [
        ("api.shop.local.", T::A, R::NoError, 2, false),
        ("API.Shop.LOCAL.", T::A, R::NoError, 2, false),
        ("api.shop.local.", T::AAAA, R::NoError, 0, true),
        ("api.shop.local.", T::SRV, R::NoError, 0, true),
        ("api.shop.local.", T::TXT, R::NoError, 0, true),
        ("idle.shop.local.", T::A, R::NXDomain, 0, true),
        ("other.shop.local.", T::A, R::NXDomain, 0, true),
        ("x.api.shop.local.", T::A, R::NXDomain, 0, true),
        ("shop.local.", T::A, R::NoError, 0, true),
        ("shop.local.", T::SOA, R::NoError, 1, false),
        ("_tcp.shop.local.", T::A, R::NoError, 0, true),
        ("_grpc._tcp.shop.local.", T::SRV, R::NoError, 1, false),
        ("local.", T::A, R::Refused, 0, false),
        ("example.com.", T::A, R::Refused, 0, false),
        ("notshop.local.", T::A, R::Refused, 0, false),
        (".", T::NS, R::Refused, 0, false),
    ] {
        let response = ask(&table, name, kind, 1);
        assert_eq!(response.response_code, code, "{name} {kind}");
        assert_eq!(response.answers.len(), answers, "{name} {kind}");
        let has_soa = response.authorities.iter().any(|r| r.record_type() == T::SOA);
        assert_eq!(has_soa, soa, "{name} {kind}");
        assert_eq!(response.authoritative, code != R::Refused, "{name} {kind}");
    }
    // The question and the owner names come back in the case they were asked in.
    let response = ask(&table, "API.Shop.LOCAL.", T::A, 1);
    assert_eq!(response.answers[0].name.to_ascii(), "API.Shop.LOCAL.");
}

/// DISC-DNS-6: a removed name is NXDOMAIN, its namespace stays ours; `replace_all` forgets it.
#[test]
fn removed_names_are_nxdomain_and_forgotten_namespaces_refused() {
    let table = table(vec![instance(1, true, None)]);
    let code = |t: &Table| ask(t, "api.shop.local.", RecordType::A, 0).response_code;
    table.remove("api.shop.local");
    assert_eq!(code(&table), ResponseCode::NXDomain);
    table.replace_all(Vec::new()).expect("nothing invalid");
    assert_eq!(code(&table), ResponseCode::Refused);
}

/// DISC-DNS-7: SRV value and the A record of its target; DISC-DNS-8: no such name without SRV.
#[test]
fn disc_dns_7_srv_names_the_instance_and_its_address() {
    let table = table(vec![instance(1, true, Some(8080)), instance(2, true, None)]);
    let response = ask(&table, "api.shop.local.", RecordType::SRV, 3);
    let target = format!("{:032x}.api.shop.local.", 1);
    let RData::SRV(srv) = &response.answers[0].data else { panic!("not SRV") };
    assert_eq!((srv.priority, srv.weight, srv.port), (1, 1, 8080));
    assert_eq!(srv.target.to_ascii(), target);
    assert_eq!(response.answers.len(), 1, "an instance without port has no SRV");
    let RData::A(a) = &response.additionals[0].data else { panic!("not A") };
    assert_eq!(a.0, Ipv4Addr::new(127, 0, 1, 1));

    assert_eq!(addresses(&ask(&table, &target, RecordType::A, 0)), [1]);
    let without = format!("{:032x}.api.shop.local.", 2);
    let response = ask(&table, &without, RecordType::A, 0);
    assert_eq!(response.response_code, ResponseCode::NXDomain);
}

/// Over 512 bytes without EDNS: first the additionals go silently, then the answer, with TC.
#[test]
fn a_large_answer_is_truncated_over_udp_only() {
    let table = table((1..=8).map(|n| instance(n, true, Some(8080))).collect());
    let names = table.snapshot();
    let plain = query("api.shop.local.", RecordType::SRV);
    let mut roomy = plain.clone();
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    roomy.set_edns(edns);
    for (query, transport, truncated, answers, additionals) in [
        (&plain, Transport::Udp, true, 0, 0),
        (&plain, Transport::Tcp, false, 8, 8),
        (&roomy, Transport::Udp, false, 8, 8),
    ] {
        let request = query.to_vec().expect("encodes");
        let bytes = respond(&names, &request, 0, transport).expect("an answer");
        let response = Message::from_vec(&bytes).expect("decodes");
        assert_eq!(response.truncation, truncated, "{transport:?}");
        assert_eq!(response.answers.len(), answers, "{transport:?}");
        assert_eq!(response.additionals.len(), additionals, "{transport:?}");
        assert_eq!(response.edns.is_some(), query.edns.is_some());
        assert!(truncated || bytes.len() > 512);
        assert!(bytes.len() <= 1232);
    }
}

#[test]
fn eight_addresses_fit_a_plain_datagram() {
    let table = table((1..=8).map(|n| instance(n, true, None)).collect());
    let request = query("api.shop.local.", RecordType::A).to_vec().expect("encodes");
    let bytes = respond(&table.snapshot(), &request, 0, Transport::Udp).expect("an answer");
    let response = Message::from_vec(&bytes).expect("decodes");
    assert!(!response.truncation && response.answers.len() == 8);
}

#[test]
fn what_is_no_plain_question_gets_its_code_or_silence() {
    let table = table(vec![instance(1, true, None)]);
    let names = table.snapshot();
    let code_of = |bytes: &[u8]| {
        respond(&names, bytes, 0, Transport::Udp)
            .map(|b| Message::from_vec(&b).expect("decodes").response_code)
    };
    let good = query("api.shop.local.", RecordType::A);
    let mut update = good.clone();
    update.metadata.op_code = OpCode::Notify;
    assert_eq!(code_of(&update.to_vec().expect("encodes")), Some(ResponseCode::NotImp));

    let mut two = good.clone();
    two.add_query(two.queries[0].clone());
    assert_eq!(code_of(&two.to_vec().expect("encodes")), Some(ResponseCode::FormErr));

    let bytes = good.to_vec().expect("encodes");
    assert_eq!(code_of(&bytes[..20]), Some(ResponseCode::FormErr));
    assert_eq!(code_of(&bytes[..11]), None);

    let is_response = good.clone().into_response();
    assert_eq!(code_of(&is_response.to_vec().expect("encodes")), None, "never answer an answer");

    let mut future = good;
    let mut edns = Edns::new();
    edns.set_version(1);
    future.set_edns(edns);
    // 16 is BADVERS here; the decoder calls the same number BADSIG.
    assert_eq!(code_of(&future.to_vec().expect("encodes")).map(u16::from), Some(16));
}

proptest! {
    /// Whatever comes in, no panic, and what goes out is a response to that id within the limit.
    #[test]
    fn malformed_packets_never_panic(
        random in proptest::collection::vec(any::<u8>(), 0..600),
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<proptest::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let table = table((1..=9).map(|n| instance(n, n > 1, Some(80))).collect());
        let names = table.snapshot();
        let mut near_valid = query("api.shop.local.", RecordType::SRV).to_vec().expect("encodes");
        for (at, value) in &flips {
            let at = at.index(near_valid.len());
            near_valid[at] = *value;
        }
        near_valid.truncate(cut.index(near_valid.len() * 4).max(12));
        for packet in [&random, &near_valid] {
            if let Some(bytes) = respond(&names, packet, seed, Transport::Udp) {
                prop_assert_eq!(&bytes[..2], &packet[..2]);
                prop_assert!(bytes[2] & 0x80 != 0);
                prop_assert!(bytes.len() <= 1232);
            }
        }
    }
}
