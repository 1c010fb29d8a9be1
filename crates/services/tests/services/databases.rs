//! RDS and ElastiCache: what clients get back, what is refused, and that no secret is kept.

use serde_json::{Value, json};

use crate::rig::Rig;

const SECRET: &str = "correct-horse-battery-staple";

fn call(rig: &mut Rig, service: &str, name: &str, input: Value) -> Value {
    rig.call(service, name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn instance(more: Value) -> Value {
    let mut input = json!({
        "DBInstanceIdentifier": "main", "Engine": "postgres", "EngineVersion": "16",
        "DBInstanceClass": "db.t4g.micro", "AllocatedStorage": 20,
        "MasterUsername": "shop", "MasterUserPassword": SECRET,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        input[name] = value.clone();
    }
    input
}

fn holds_secret(rig: &Rig) -> bool {
    rig.platform.notes_starting("").any(|(_, note)| note.contains(SECRET))
}

#[test]
fn an_instance_is_available_found_by_its_resource_id_and_keeps_no_password() {
    let mut rig = Rig::new();
    let made = call(&mut rig, "rds", "CreateDBInstance", instance(json!({})));
    let made = &made["DBInstance"];
    assert_eq!(
        (&made["DBInstanceStatus"], &made["EngineVersion"]),
        (&json!("available"), &json!("16.8"))
    );
    let filter = json!({ "Name": "dbi-resource-id", "Values": [made["DbiResourceId"]] });
    let found = call(&mut rig, "rds", "DescribeDBInstances", json!({ "Filters": [filter] }));
    assert_eq!(found["DBInstances"][0]["DBInstanceIdentifier"], "main");
    let change = json!({ "DBInstanceIdentifier": "main", "MasterUserPassword": SECRET, "DeletionProtection": true });
    call(&mut rig, "rds", "ModifyDBInstance", change);
    assert!(!holds_secret(&rig));
    let delete = json!({ "DBInstanceIdentifier": "main", "SkipFinalSnapshot": true });
    let (code, _) = rig.refuses("rds", "DeleteDBInstance", delete.clone());
    assert_eq!(code, "InvalidParameterCombination", "it is protected");
    let off = json!({ "DBInstanceIdentifier": "main", "DeletionProtection": false });
    call(&mut rig, "rds", "ModifyDBInstance", off);
    call(&mut rig, "rds", "DeleteDBInstance", delete);
    let (code, _) =
        rig.refuses("rds", "DescribeDBInstances", json!({ "DBInstanceIdentifier": "main" }));
    assert_eq!(code, "DBInstanceNotFound");
}

/// Section 4: adjacent is not overlapping.
#[test]
fn a_backup_may_end_where_the_maintenance_begins() {
    let mut rig = Rig::new();
    let windows = |backup: &str| {
        instance(json!({
            "PreferredBackupWindow": backup,
            "PreferredMaintenanceWindow": "Mon:04:00-Mon:05:00",
        }))
    };
    for bad in ["03:30-04:30", "04:10-04:40", "23:00-04:01"] {
        let (code, _) = rig.refuses("rds", "CreateDBInstance", windows(bad));
        assert_eq!(code, "InvalidParameterCombination", "{bad}");
    }
    let made = call(&mut rig, "rds", "CreateDBInstance", windows("03:00-04:00"));
    assert_eq!(made["DBInstance"]["PreferredMaintenanceWindow"], "mon:04:00-mon:05:00");
}

#[test]
fn a_replication_group_has_members_of_its_own_and_keeps_no_token() {
    let mut rig = Rig::new();
    let input = json!({
        "ReplicationGroupId": "sessions", "ReplicationGroupDescription": "",
        "CacheNodeType": "cache.t4g.micro", "NumCacheClusters": 2,
        "AutomaticFailoverEnabled": true, "TransitEncryptionEnabled": true, "AuthToken": SECRET,
    });
    let made = call(&mut rig, "elasticache", "CreateReplicationGroup", input);
    let made = &made["ReplicationGroup"];
    assert_eq!(made["MemberClusters"], json!(["sessions-001", "sessions-002"]));
    assert_eq!(made["AuthTokenEnabled"], true);
    assert!(!holds_secret(&rig));
    let ask = json!({ "CacheClusterId": "sessions-002", "ShowCacheNodeInfo": true });
    let member = call(&mut rig, "elasticache", "DescribeCacheClusters", ask);
    let member = &member["CacheClusters"][0];
    assert_eq!(member["ReplicationGroupId"], "sessions");
    assert_eq!(member["CacheNodes"][0]["Endpoint"]["Port"], 6379);
    let more =
        json!({ "ReplicationGroupId": "sessions", "NewReplicaCount": 2, "ApplyImmediately": true });
    let more = call(&mut rig, "elasticache", "IncreaseReplicaCount", more);
    assert_eq!(more["ReplicationGroup"]["MemberClusters"][2], "sessions-003");
    let delete = json!({ "ReplicationGroupId": "sessions" });
    call(&mut rig, "elasticache", "DeleteReplicationGroup", delete.clone());
    assert_eq!(
        call(&mut rig, "elasticache", "DescribeCacheClusters", json!({}))["CacheClusters"],
        json!([])
    );
    let (code, _) = rig.refuses("elasticache", "DescribeReplicationGroups", delete);
    assert_eq!(code, "ReplicationGroupNotFoundFault");
}
