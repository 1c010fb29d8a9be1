//! The parts of a VPC: what a client makes is what the platform has.

use neargate_core::network::{Internet, Peer, Protocol, SecurityRule};
use serde_json::{Value, json};

use crate::rig::{Rig, text};

fn id(answer: &Value, path: &str) -> String {
    text(answer.pointer(path).unwrap_or_else(|| panic!("no {path} in {answer}")))
}

/// A VPC 10.0.0.0/16 with two subnets.
fn network(rig: &mut Rig) -> (String, String, String) {
    let vpc = id(&rig.ec2("CreateVpc", json!({ "CidrBlock": "10.0.0.0/16" })), "/Vpc/VpcId");
    let mut subnet = |cidr: &str, zone: &str| {
        let input = json!({ "VpcId": vpc, "CidrBlock": cidr, "AvailabilityZone": zone });
        id(&rig.ec2("CreateSubnet", input), "/Subnet/SubnetId")
    };
    let (a, b) = (subnet("10.0.0.0/24", "us-east-1a"), subnet("10.0.1.0/24", "us-east-1b"));
    (vpc, a, b)
}

fn only<'a>(answer: &'a Value, member: &str) -> &'a Value {
    let all = answer[member].as_array().expect("a list");
    assert_eq!(all.len(), 1, "{answer}");
    &all[0]
}

fn of_vpc(vpc: &str, more: (&str, &str)) -> Value {
    json!({ "Filters": [
        { "Name": "vpc-id", "Values": [vpc] },
        { "Name": more.0, "Values": [more.1] },
    ] })
}

/// Section 2: the default ACL, the main route table and the default group of a new VPC exist.
#[test]
fn a_new_vpc_has_its_own_group_table_and_acl() {
    let mut rig = Rig::new();
    let (vpc, a, _) = network(&mut rig);
    let groups = rig.ec2("DescribeSecurityGroups", of_vpc(&vpc, ("group-name", "default")));
    let group = only(&groups, "SecurityGroups");
    assert_eq!(group["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"], group["GroupId"]);
    assert_eq!(group["IpPermissionsEgress"][0]["IpRanges"][0]["CidrIp"], "0.0.0.0/0");
    let tables = rig.ec2("DescribeRouteTables", of_vpc(&vpc, ("association.main", "true")));
    let table = only(&tables, "RouteTables");
    assert_eq!(table["Routes"].as_array().map(Vec::len), Some(1));
    assert_eq!(table["Routes"][0]["GatewayId"], "local");
    let acls = rig.ec2("DescribeNetworkAcls", of_vpc(&vpc, ("default", "true")));
    let acl = only(&acls, "NetworkAcls");
    assert!(acl["Associations"].as_array().expect("a list").iter().any(|s| s["SubnetId"] == a));
    // Those of a description are listed beside it.
    let all = rig.ec2("DescribeVpcs", json!({}));
    assert_eq!(all["Vpcs"].as_array().map(Vec::len), Some(2));
    let unknown = rig.refuses("ec2", "DescribeVpcs", json!({ "VpcIds": ["vpc-0123"] }));
    assert_eq!(unknown.0, "InvalidVpcID.NotFound");
    let again = json!({ "VpcId": vpc, "CidrBlock": "10.0.1.128/25" });
    assert_eq!(rig.refuses("ec2", "CreateSubnet", again).0, "InvalidSubnet.Conflict");
    let outside = json!({ "VpcId": vpc, "CidrBlock": "10.1.0.0/24" });
    assert_eq!(rig.refuses("ec2", "CreateSubnet", outside).0, "InvalidSubnet.Range");
}

/// Routes and gateways decide a subnet's way out, whichever of them changes.
#[test]
fn routes_decide_the_way_out() {
    let mut rig = Rig::new();
    let (vpc, a, b) = network(&mut rig);
    let way =
        |rig: &Rig| [&a, &b].map(|name| rig.platform.subnet(name).expect("there").spec.internet);
    let gateway = rig.ec2("CreateInternetGateway", json!({}));
    let gateway = id(&gateway, "/InternetGateway/InternetGatewayId");
    let attachment = json!({ "InternetGatewayId": gateway, "VpcId": vpc });
    rig.ec2("AttachInternetGateway", attachment.clone());
    let mut table = || {
        let made = rig.ec2("CreateRouteTable", json!({ "VpcId": vpc }));
        id(&made, "/RouteTable/RouteTableId")
    };
    let (public, private) = (table(), table());
    let mut associations = Vec::new();
    for (table, subnet) in [(&public, &a), (&private, &b)] {
        let made =
            rig.ec2("AssociateRouteTable", json!({ "RouteTableId": table, "SubnetId": subnet }));
        associations.push(id(&made, "/AssociationId"));
    }
    assert_eq!(way(&rig), [Internet::None, Internet::None]);
    let route = |table: &str, member: &str, target: &str| json!({ "RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", member: target });
    rig.ec2("CreateRoute", route(&public, "GatewayId", &gateway));
    let again = rig.refuses("ec2", "CreateRoute", route(&public, "GatewayId", &gateway));
    assert_eq!(again.0, "RouteAlreadyExists");
    let address = id(&rig.ec2("AllocateAddress", json!({ "Domain": "vpc" })), "/AllocationId");
    let input = json!({ "SubnetId": a, "AllocationId": address });
    let nat = id(&rig.ec2("CreateNatGateway", input), "/NatGateway/NatGatewayId");
    rig.ec2("CreateRoute", route(&private, "NatGatewayId", &nat));
    assert_eq!(way(&rig), [Internet::Gateway, Internet::Nat]);
    let in_use = rig.refuses("ec2", "ReleaseAddress", json!({ "AllocationId": address }));
    assert_eq!(in_use.0, "InvalidIPAddress.InUse");
    // Exchanged.
    let input = json!({ "AssociationId": associations[1], "RouteTableId": public });
    let moved = id(&rig.ec2("ReplaceRouteTableAssociation", input), "/NewAssociationId");
    assert_eq!(way(&rig), [Internet::Gateway, Internet::Gateway]);
    let input = json!({ "AssociationId": moved, "RouteTableId": private });
    rig.ec2("ReplaceRouteTableAssociation", input);
    // A gateway that is gone leaves its routes in the dark.
    let detached = rig.refuses("ec2", "DetachInternetGateway", attachment.clone());
    assert_eq!(detached.0, "DependencyViolation", "the NAT gateway has a public address");
    rig.ec2("DeleteNatGateway", json!({ "NatGatewayId": nat }));
    assert_eq!(way(&rig), [Internet::Gateway, Internet::None]);
    let listed = rig.ec2("DescribeNatGateways", json!({ "NatGatewayIds": [nat] }));
    assert_eq!(only(&listed, "NatGateways")["State"], "deleted", "listed, not absent");
    rig.ec2("ReleaseAddress", json!({ "AllocationId": address }));
    rig.ec2("DetachInternetGateway", attachment);
    assert_eq!(way(&rig), [Internet::None, Internet::None]);
    let shown = rig.ec2("DescribeRouteTables", json!({ "RouteTableIds": [public] }));
    assert_eq!(only(&shown, "RouteTables")["Routes"][1]["State"], "blackhole");
}

/// Every change of the rules is a change of the platform's group.
#[test]
fn the_platforms_group_follows_the_rules() {
    let mut rig = Rig::new();
    let (vpc, ..) = network(&mut rig);
    let mut made = |name: &str| {
        let input = json!({ "VpcId": vpc, "GroupName": name, "Description": name });
        id(&rig.ec2("CreateSecurityGroup", input), "/GroupId")
    };
    let (group, peer) = (made("web"), made("balancer"));
    let rules = |rig: &Rig| {
        let mut all = rig.platform.security_groups();
        let found = all.find(|g| g.name == group).expect("there");
        (found.ingress.clone(), found.egress.clone())
    };
    let anywhere = Peer::Range([0, 0, 0, 0].into(), 0);
    let everything = SecurityRule { protocol: Protocol::All, ports: None, peer: anywhere };
    assert_eq!(rules(&rig), (vec![], vec![everything]), "section 2: one allow-all egress rule");
    let all = json!([{ "IpProtocol": "-1", "IpRanges": [{ "CidrIp": "0.0.0.0/0" }] }]);
    let revoked = json!({ "GroupId": group, "IpPermissions": all });
    rig.ec2("RevokeSecurityGroupEgress", revoked.clone());
    let again = rig.refuses("ec2", "RevokeSecurityGroupEgress", revoked);
    assert_eq!(again.0, "InvalidPermission.NotFound");
    let permission = json!({
        "IpProtocol": "tcp",
        "FromPort": 80,
        "ToPort": 90,
        "IpRanges": [{ "CidrIp": "10.9.8.7/16", "Description": "office" }],
        "Ipv6Ranges": [{ "CidrIpv6": "::/0" }],
        "UserIdGroupPairs": [{ "GroupId": peer }],
    });
    let input = json!({ "GroupId": group, "IpPermissions": [permission] });
    let answer = rig.ec2("AuthorizeSecurityGroupIngress", input.clone());
    assert_eq!(answer["SecurityGroupRules"].as_array().map(Vec::len), Some(3));
    let twice = rig.refuses("ec2", "AuthorizeSecurityGroupIngress", input);
    assert_eq!(twice.0, "InvalidPermission.Duplicate");
    let tcp = |peer| SecurityRule { protocol: Protocol::Tcp, ports: Some((80, 90)), peer };
    let office = tcp(Peer::Range([10, 9, 0, 0].into(), 16));
    let of_peer = tcp(Peer::Group(peer.clone()));
    let (mut ingress, egress) = rules(&rig);
    ingress.sort_by_key(|rule| rule != &office);
    assert_eq!((ingress, egress), (vec![office, of_peer.clone()], vec![]), "IPv6 is only kept");
    let used = rig.refuses("ec2", "DeleteSecurityGroup", json!({ "GroupId": peer }));
    assert_eq!(used.0, "DependencyViolation", "a rule refers to it");
    let one = answer["SecurityGroupRules"].as_array().expect("a list").iter();
    let one = one.clone().find(|rule| rule["CidrIpv4"] == "10.9.0.0/16").expect("there").clone();
    let change = json!({
        "SecurityGroupRuleId": one["SecurityGroupRuleId"],
        "SecurityGroupRule": { "IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "CidrIpv4": "10.0.0.0/8" },
    });
    rig.ec2(
        "ModifySecurityGroupRules",
        json!({ "GroupId": group, "SecurityGroupRules": [change] }),
    );
    let changed = SecurityRule {
        protocol: Protocol::Udp,
        ports: Some((53, 53)),
        peer: Peer::Range([10, 0, 0, 0].into(), 8),
    };
    assert!(rules(&rig).0.contains(&changed) && rules(&rig).0.contains(&of_peer));
    rig.ec2("DeleteSecurityGroup", json!({ "GroupId": group }));
    rig.ec2("DeleteSecurityGroup", json!({ "GroupId": peer }));
    let left = rig.platform.notes_starting("record:ec2/security-group").count();
    assert_eq!(left, 3, "the VPC's own group with its two rules");
}

/// In the order of a destroy everything goes; nothing before what it holds.
#[test]
fn a_network_goes_in_the_order_of_a_destroy() {
    let mut rig = Rig::new();
    let before = rig.platform.notes_starting("record:").count();
    let (vpc, a, b) = network(&mut rig);
    rig.ec2("CreateTags", json!({ "Resources": [vpc, a], "Tags": [{ "Key": "k", "Value": "v" }] }));
    let found = rig.ec2("DescribeSubnets", of_vpc(&vpc, ("tag:k", "v*")));
    assert_eq!(only(&found, "Subnets")["SubnetId"], json!(a));
    let balancer = json!({ "Name": "lb", "Subnets": [a, b], "Scheme": "internal" });
    let balancer = rig.elb("CreateLoadBalancer", balancer)["LoadBalancers"][0].clone();
    assert_eq!(balancer["VpcId"], json!(vpc));
    assert_eq!(balancer["SecurityGroups"].as_array().map(Vec::len), Some(1), "the VPC's own");
    let interfaces =
        rig.ec2("DescribeNetworkInterfaces", of_vpc(&vpc, ("description", "ELB app/lb/*")));
    assert_eq!(interfaces["NetworkInterfaces"].as_array().map(Vec::len), Some(2));
    let of_subnet = json!({ "SubnetId": a });
    assert_eq!(rig.refuses("ec2", "DeleteSubnet", of_subnet).0, "DependencyViolation");
    assert_eq!(rig.refuses("ec2", "DeleteVpc", json!({ "VpcId": vpc })).0, "DependencyViolation");
    rig.elb("DeleteLoadBalancer", json!({ "LoadBalancerArn": balancer["LoadBalancerArn"] }));
    let none = rig.ec2("DescribeNetworkInterfaces", json!({}));
    assert_eq!(none["NetworkInterfaces"], json!([]));
    for subnet in [a, b] {
        rig.ec2("DeleteSubnet", json!({ "SubnetId": subnet }));
    }
    rig.ec2("DeleteVpc", json!({ "VpcId": vpc }));
    assert_eq!(rig.platform.notes_starting("record:").count(), before);
    assert_eq!(rig.refuses("ec2", "DeleteVpc", json!({ "VpcId": vpc })).0, "InvalidVpcID.NotFound");
    // What is described is not a client's to take away.
    let described = rig.ec2("DescribeVpcs", json!({}));
    let described = only(&described, "Vpcs")["VpcId"].clone();
    let refused = rig.refuses("ec2", "DeleteVpc", json!({ "VpcId": described }));
    assert_eq!(refused.0, "OperationNotPermitted");
}
