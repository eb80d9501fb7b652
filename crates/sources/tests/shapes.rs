//! The same logon in every shape that logs come in gives the same row.
#![allow(clippy::expect_used)]

mod common;

use common::{check, one, read_bytes, row, rows};
use crabwalk_sources::report::SourceKind;

const NOON: &str = "1709553600500000"; // 2024-03-04T12:00:00.5Z

const XML: &str = r#"<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System><Provider Name="Microsoft-Windows-Security-Auditing" Guid="{54849625-5478-4994-a5ba-3e3b0328c30d}"/><EventID>4624</EventID><Version>2</Version><Level>0</Level><Task>12544</Task><Opcode>0</Opcode><Keywords>0x8020000000000000</Keywords><TimeCreated SystemTime="2024-03-04T12:00:00.5000000Z"/><EventRecordID>77</EventRecordID><Correlation ActivityID="{11111111-2222-3333-4444-555555555555}"/><Execution ProcessID="712" ThreadID="828"/><Channel>Security</Channel><Computer>SRV-A.example.test</Computer><Security/></System><EventData><Data Name="TargetUserName">o'neil &amp; "co" &#x263a;</Data><Data Name="LogonType">3</Data><Data Name="IpAddress">10.0.0.7</Data><Data Name="WorkstationName"></Data></EventData></Event>"#;

fn logon(what: &str, row: &common::Row) {
    check(
        what,
        row,
        &[
            ("_time", NOON),
            ("_record", "77"),
            ("host", "SRV-A.example.test"),
            ("TargetUserName", "o'neil & \"co\" \u{263a}"),
            ("LogonType", "3"),
            ("IpAddress", "10.0.0.7"),
        ],
    );
    assert!(
        !row.contains_key("WorkstationName"),
        "{what}: an empty value is none"
    );
}

#[test]
fn a_logon_reads_alike_from_every_shape() {
    let user = r#"o'neil & \"co\" \u263a"#;
    let utf16 = |text: &str, big: bool, mark: bool| -> Vec<u8> {
        let text = if mark {
            format!("\u{feff}{text}")
        } else {
            text.to_owned()
        };
        text.encode_utf16()
            .flat_map(|unit| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    };
    let evtx_dump = format!(
        r##"{{"Event":{{"#attributes":{{"xmlns":"http://schemas.microsoft.com/win/2004/08/events/event"}},"System":{{"Provider":{{"#attributes":{{"Name":"Microsoft-Windows-Security-Auditing"}}}},"EventID":4624,"TimeCreated":{{"#attributes":{{"SystemTime":"2024-03-04T12:00:00.500000Z"}}}},"EventRecordID":77,"Correlation":null,"Channel":"Security","Computer":"SRV-A.example.test"}},"EventData":{{"TargetUserName":"{user}","LogonType":3,"IpAddress":"10.0.0.7","WorkstationName":""}}}}}}"##
    );
    let separate = format!(
        r#"{{"Event":{{"System":{{"Provider_attributes":{{"Name":"Microsoft-Windows-Security-Auditing"}},"EventID":{{"_text":4624}},"TimeCreated_attributes":{{"SystemTime":"2024-03-04T12:00:00.500000Z"}},"EventRecordID":77,"Channel":"Security","Computer":"SRV-A.example.test"}},"EventData":{{"TargetUserName":"{user}","LogonType":3,"IpAddress":"10.0.0.7"}}}}}}"#
    );
    let data_array = format!(
        r##"{{"Event":{{"System":{{"EventID":{{"#attributes":{{"Qualifiers":0}},"#text":4624}},"TimeCreated":{{"#attributes":{{"SystemTime":"2024-03-04T12:00:00.500000Z"}}}},"EventRecordID":77,"Channel":"Security","Computer":"SRV-A.example.test"}},"EventData":{{"Data":[{{"#attributes":{{"Name":"TargetUserName"}},"#text":"{user}"}},{{"#attributes":{{"Name":"LogonType"}},"#text":"3"}},{{"#attributes":{{"Name":"IpAddress"}},"#text":"10.0.0.7"}}]}}}}}}"##
    );
    let winlogbeat = format!(
        r#"{{"@timestamp":"2024-03-04T12:00:00.500Z","winlog":{{"channel":"Security","event_id":4624,"record_id":77,"computer_name":"SRV-A.example.test","event_data":{{"TargetUserName":"{user}","LogonType":"3","IpAddress":"10.0.0.7"}}}},"host":{{"name":"other"}}}}"#
    );
    let dotted = format!(
        r#"{{"@timestamp":"2024-03-04T12:00:00.500Z","winlog.channel":"Security","event.code":"4624","winlog.record_id":"77","winlog.computer_name":"SRV-A.example.test","winlog.event_data.TargetUserName":"{user}","winlog.event_data.LogonType":"3","winlog.event_data.IpAddress":"10.0.0.7"}}"#
    );
    let old_beat = format!(
        r#"{{"@timestamp":"2024-03-04T12:00:00.500Z","log_name":"Security","event_id":4624,"record_number":"77","computer_name":"SRV-A.example.test","event_data":{{"TargetUserName":"{user}","LogonType":"3","IpAddress":"10.0.0.7"}}}}"#
    );
    let flat = format!(
        r#"{{"EventID":4624,"Channel":"Security","Hostname":"SRV-A.example.test","RecordNumber":77,"@timestamp":"2024-03-04T12:00:00.500Z","TargetUserName":"{user}","LogonType":"3","IpAddress":"10.0.0.7"}}"#
    );
    let payload = |text: &str| serde_json::Value::String(text.to_owned()).to_string();
    let evtxecmd = format!(
        r#"{{"PayloadData1":"Target: x","MapDescription":"Logon","UserName":"x","ChunkNumber":0,"Computer":"SRV-A.example.test","Payload":{},"Channel":"Security","Provider":"Microsoft-Windows-Security-Auditing","EventId":4624,"EventRecordId":"77","ProcessId":712,"ThreadId":828,"Level":"LogAlways","SourceFile":"Security.evtx","TimeCreated":"2024-03-04T12:00:00.5000000+00:00","RecordNumber":1}}"#,
        payload(&format!(
            r##"{{"EventData":{{"Data":[{{"@Name":"TargetUserName","#text":"{user}"}},{{"@Name":"LogonType","#text":"3"}},{{"@Name":"IpAddress","#text":"10.0.0.7"}},{{"@Name":"WorkstationName"}}]}}}}"##
        ))
    );
    let velociraptor = format!(
        r#"{{"System":{{"Provider":{{"Name":"Microsoft-Windows-Security-Auditing","Guid":"54849625-5478-4994-A5BA-3E3B0328C30D"}},"EventID":{{"Value":4624}},"TimeCreated":{{"SystemTime":1709553600.5}},"EventRecordID":77,"Channel":"Security","Computer":"SRV-A.example.test"}},"EventData":{{"TargetUserName":"{user}","LogonType":3,"IpAddress":"10.0.0.7"}},"Message":"An account was successfully logged on."}}"#
    );
    let wazuh = format!(
        r#"{{"timestamp":"2024-03-04T12:00:01.000+0000","agent":{{"name":"srv-a"}},"data":{{"win":{{"system":{{"providerName":"Microsoft-Windows-Security-Auditing","eventID":"4624","systemTime":"2024-03-04T12:00:00.5000000Z","eventRecordID":"77","channel":"Security","computer":"SRV-A.example.test"}},"eventdata":{{"targetUserName":"{user}","logonType":"3","ipAddress":"10.0.0.7"}}}}}},"location":"EventChannel"}}"#
    );
    let azure = format!(
        r#"{{"TimeGenerated":"2024-03-04T12:00:00.5Z","Source":"Microsoft-Windows-Security-Auditing","EventLog":"Security","Computer":"SRV-A.example.test","EventID":4624,"EventRecordID":77,"UserName":"N/A","EventData":{},"Type":"Event"}}"#,
        payload(
            r#"<DataItem type="System.XmlData"><EventData xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><Data Name="TargetUserName">o'neil &amp; "co" &#x263a;</Data><Data Name="LogonType">3</Data><Data Name="IpAddress">10.0.0.7</Data><Data Name="WorkstationName"></Data></EventData></DataItem>"#
        )
    );
    let elastic = format!(r#"{{"_index":"x","_source":{winlogbeat}}}"#);
    let in_xml_raw = format!(
        r#"{{"preview":false,"result":{{"_raw":{},"host":"forwarder","sourcetype":"XmlWinEventLog"}}}}"#,
        serde_json::Value::String(XML.to_owned())
    );
    let shipped = format!(
        r#"{{"message":{},"agent":"x"}}"#,
        serde_json::Value::String(XML.to_owned())
    );
    let wrapped = format!(r#"{{"hits":{{"total":1,"hits":[{elastic}]}}}}"#);
    let pretty = serde_json::to_string_pretty(
        &serde_json::from_str::<serde_json::Value>(&evtx_dump).expect("JSON"),
    )
    .expect("JSON");
    let csv = format!("_raw\n\"{XML}\"\n");
    let escaped = XML
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let prefixed = XML
        .replace("<", "<e:")
        .replace("<e:/", "</e:")
        .replace("xmlns=", "xmlns:e=");
    let two_lines = XML.replace("><", ">\r\n<");
    let cases: Vec<(&str, Vec<u8>, SourceKind)> = vec![
        ("XML", XML.into(), SourceKind::Xml),
        (
            "XML with a mark",
            format!("\u{feff}{XML}").into(),
            SourceKind::Xml,
        ),
        (
            "XML in <Events>",
            format!("<?xml version=\"1.0\"?>\n<Events>\n{XML}\n</Events>").into(),
            SourceKind::Xml,
        ),
        ("XML, pretty", two_lines.into(), SourceKind::Xml),
        ("XML, escaped", escaped.into(), SourceKind::Xml),
        ("XML with a prefix", prefixed.into(), SourceKind::Xml),
        (
            "XML after syslog",
            format!("<13>Mar  4 12:00:00 srv {XML}\n").into(),
            SourceKind::Xml,
        ),
        ("XML in CSV", csv.into(), SourceKind::Xml),
        ("XML, UTF-16LE", utf16(XML, false, true), SourceKind::Xml),
        ("XML, UTF-16BE", utf16(XML, true, true), SourceKind::Xml),
        (
            "XML, UTF-16LE without a mark",
            utf16(XML, false, false),
            SourceKind::Xml,
        ),
        ("evtx_dump", evtx_dump.clone().into(), SourceKind::Json),
        (
            "evtx_dump, separate attributes",
            separate.into(),
            SourceKind::Json,
        ),
        ("evtx_dump, Data array", data_array.into(), SourceKind::Json),
        ("evtx_dump, pretty", pretty.into(), SourceKind::Json),
        ("EvtxECmd", evtxecmd.into(), SourceKind::Json),
        ("Velociraptor", velociraptor.into(), SourceKind::Json),
        ("Wazuh", wazuh.into(), SourceKind::Json),
        ("Azure's Event table", azure.into(), SourceKind::Json),
        (
            "evtx_dump in an array",
            format!("[\n{evtx_dump}\n]").into(),
            SourceKind::Json,
        ),
        (
            "evtx_dump, UTF-16",
            utf16(&evtx_dump, false, true),
            SourceKind::Json,
        ),
        ("Winlogbeat", winlogbeat.into(), SourceKind::Json),
        ("Winlogbeat, dotted", dotted.into(), SourceKind::Json),
        ("Winlogbeat 6", old_beat.into(), SourceKind::Json),
        ("flat", flat.clone().into(), SourceKind::Json),
        (
            "flat after NUL bytes",
            format!("\0\0{flat}").into(),
            SourceKind::Json,
        ),
        ("Elasticsearch export", elastic.into(), SourceKind::Json),
        ("Elasticsearch answer", wrapped.into(), SourceKind::Json),
        ("Splunk export", in_xml_raw.into(), SourceKind::Json),
        (
            "XML in a shipper's message",
            shipped.into(),
            SourceKind::Json,
        ),
    ];
    for (what, bytes, kind) in cases {
        // The name says nothing: the content does.
        let all = read_bytes("noname", &bytes);
        logon(what, &row(&all, "Security", 4624));
        assert_eq!(all.sources.len(), 1, "{what}");
        assert_eq!(
            (all.sources[0].kind, all.sources[0].records),
            (kind, 1),
            "{what}"
        );
        assert!(
            !all.sources[0].is_lossy(),
            "{what}: {:?}",
            all.sources[0].problems
        );
    }
}

/// Wazuh doubles backslashes; other values it leaves as they are.
#[test]
fn backslashes_of_wazuh() {
    let of = |image: &str, share: &str| {
        let record = format!(
            r#"{{"data":{{"win":{{"system":{{"eventID":"1","systemTime":"2024-03-04T12:00:00Z","eventRecordID":"1","channel":"Microsoft-Windows-Sysmon/Operational","computer":"A"}},"eventdata":{{"image":"{image}","commandLine":"{share}","param1":"x"}}}}}}}}"#
        );
        row(
            &read_bytes("w.json", record.as_bytes()),
            "Microsoft-Windows-Sysmon/Operational",
            1,
        )
    };
    for (image, share, expected) in [
        (
            r"C:\\\\a.exe",
            r"\\\\\\\\srv\\\\x",
            [r"C:\a.exe", r"\\srv\x"],
        ),
        (r"C:\\a.exe", r"\\\\srv\\x", [r"C:\a.exe", r"\\srv\x"]),
    ] {
        check(
            "Wazuh",
            &of(image, share),
            &[
                ("Image", expected[0]),
                ("CommandLine", expected[1]),
                ("param1", "x"),
            ],
        );
    }
}

#[test]
fn system_columns_unnamed_data_user_data_and_rendered_text_of_xml() {
    let text = r#"<Event><System><Provider Name="Service Control Manager"/><EventID Qualifiers="16384">7036</EventID><Keywords>0x80</Keywords><TimeCreated SystemTime="2024-03-04T12:00:00Z"/><Execution ProcessID="1" ThreadID="2"/><Channel>System</Channel><Computer>A</Computer><Security UserID="S-1-5-18"/></System><EventData><Data>first</Data><Data>second</Data><Data/><Binary>00FF</Binary></EventData></Event>
<Event><System><EventID>1149</EventID><TimeCreated SystemTime="2024-03-04T12:00:01Z"/><Channel>Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational</Channel><Computer>A</Computer></System><UserData><EventXML xmlns="Event_NS"><Param1>joe</Param1><Param2/><Param3>10.0.0.9</Param3></EventXML></UserData></Event>
<Event><System><EventID>7045</EventID><TimeCreated SystemTime="2024-03-04T12:00:02Z"/><Channel>System</Channel><Computer>A</Computer></System><RenderingInfo Culture="en-US"><Message>A service was installed in the system.

Service Name:  tool
Service File Name:  C:\tool.exe
Service Account:  LocalSystem</Message><Level>Information</Level></RenderingInfo></Event>"#;
    let all = read_bytes("x", text.as_bytes());
    let service = row(&all, "System", 7036);
    assert_eq!(service["Data"], ["first", "second"]);
    check(
        "7036",
        &service,
        &[
            ("Binary", "00FF"),
            ("Qualifiers", "16384"),
            ("UserID", "S-1-5-18"),
            ("ExecutionThreadID", "2"),
            ("_record", "1"),
        ],
    );
    let logon = row(
        &all,
        "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational",
        1149,
    );
    check("1149", &logon, &[("Param1", "joe"), ("Param3", "10.0.0.9")]);
    assert!(!logon.contains_key("EventXML"));
    check(
        "7045",
        &row(&all, "System", 7045),
        &[
            ("ServiceName", "tool"),
            ("ImagePath", r"C:\tool.exe"),
            ("AccountName", "LocalSystem"),
        ],
    );
    assert!(one(&row(&all, "System", 7045), "Message").starts_with("A service was installed"));
}

#[test]
fn entities_are_not_expanded() {
    let bomb = r#"<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;"> <!ENTITY f SYSTEM "file:///etc/passwd">]><Events>EVENT</Events>"#;
    let event = XML.replace("10.0.0.7", "&b;&f;");
    let all = read_bytes("x.xml", bomb.replace("EVENT", &event).as_bytes());
    check(
        "bomb",
        &row(&all, "Security", 4624),
        &[("IpAddress", "&b;&f;")],
    );
    assert!(
        all.sources[0]
            .problems
            .iter()
            .any(|problem| problem.message.contains("document type") && !problem.loss)
    );
}

#[test]
fn one_bad_record_does_not_lose_the_rest() {
    let json = |id: u32| {
        format!(
            r#"{{"EventID":{id},"Channel":"Security","Hostname":"A","@timestamp":"2024-03-04T12:00:00Z"}}"#
        )
    };
    let event = |record: u32| XML.replace(">77<", &format!(">{record}<"));
    let cut = &XML[..XML.len() - 200];
    let cases: Vec<(&str, String, u64)> = vec![
        (
            "JSON cut in a string",
            format!(
                "{}\n{{\"EventID\":4624,\"Chan\n{}\n",
                json(4624),
                json(4624)
            ),
            2,
        ),
        (
            "JSON cut outside of one",
            format!("{}\n{{\"EventID\":4624,\n{}\n", json(4624), json(4624)),
            2,
        ),
        (
            "JSON of a lone brace",
            format!("{{{}\n{}", json(4624), json(4624)),
            2,
        ),
        (
            "JSON with a bad value",
            format!("{}\n{{\"EventID\":nul}}\n{}", json(4624), json(4624)),
            2,
        ),
        (
            "JSON cut at the end",
            format!("{}\n{}\n{{\"EventID\":46", json(4624), json(4624)),
            2,
        ),
        (
            "JSON with prose between",
            format!("{}\nhello world\n{}", json(4624), json(4624)),
            2,
        ),
        (
            "XML cut in the middle",
            format!("{}\n{}\n{}", event(1), cut, event(2)),
            2,
        ),
        (
            "XML without an id",
            format!("{}\n<Event><System/></Event>\n{}", event(1), event(2)),
            2,
        ),
        (
            "XML cut at the end",
            format!("{}\n{}\n{}", event(1), event(2), &XML[..300]),
            2,
        ),
        (
            "XML with a stray bracket",
            format!("{} < {}", event(1), event(2)),
            2,
        ),
    ];
    for (what, text, records) in cases {
        let all = read_bytes("x", text.as_bytes());
        let source = &all.sources[0];
        assert!(source.records >= records, "{what}: {source:?}");
        let harmless = what.contains("prose") || what.contains("stray");
        assert_eq!(source.is_lossy(), !harmless, "{what}: {source:?}");
        assert!(
            !source.problems.is_empty() || what.contains("stray"),
            "{what}"
        );
    }
}

#[test]
fn times_of_nxlog_and_of_local_times_in_disguise() {
    let nxlog = |id: u32, channel: &str, more: &str| {
        format!(
            r#"{{"EventID":{id},"Channel":"{channel}","Hostname":"A","SourceModuleType":"im_msvistalog","EventTime":"2024-03-04 08:00:00","EventReceivedTime":"2024-03-04 08:00:04","@timestamp":"2024-03-04T12:00:05.1Z","AccountName":"SYSTEM","Keywords":-9214364837600034816{more}}}"#
        )
    };
    let sysmon = "Microsoft-Windows-Sysmon/Operational";
    let message = r#","Message":"A service was installed in the system.\r\n\r\nService Name:  x\r\nService Account:  LocalSystem","ServiceName":"x""#;
    let text = [
        nxlog(4624, "Security", ""),
        nxlog(1, sysmon, r#","UtcTime":"2024-03-04 11:59:59.750""#),
        nxlog(3, sysmon, r#","UtcTime":"2024-03-04 09:00:00.000""#),
        nxlog(7045, "System", message),
        r#"{"EventID":1149,"Channel":"Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational","Hostname":"A","@timestamp":"2024-03-04T12:00:00Z","Message":"Remote Desktop Services: User authentication succeeded:\r\n\r\nUser: joe\r\nDomain: CORP\r\nSource Network Address: 10.0.0.9"}"#.to_owned(),
    ]
    .join("\n");
    let all = read_bytes("x", text.as_bytes());
    check(
        "local time moved by the zone of the receipt",
        &row(&all, "Security", 4624),
        &[
            ("_time", "1709553600000000"),
            ("Keywords", "0x8020000000000000"),
        ],
    );
    check(
        "Sysmon's own",
        &row(&all, sysmon, 1),
        &[("_time", "1709553599750000")],
    );
    check(
        "not Sysmon's where it is hours off",
        &row(&all, sysmon, 3),
        &[("_time", "1709553600000000")],
    );
    check(
        "the service's account, not NXLog's",
        &row(&all, "System", 7045),
        &[("AccountName", "LocalSystem")],
    );
    let channel = "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational";
    check(
        "user data from the message",
        &row(&all, channel, 1149),
        &[
            ("Param1", "joe"),
            ("Param2", "CORP"),
            ("Param3", "10.0.0.9"),
        ],
    );

    // Local time that calls itself UTC, on a 12-hour clock: 12:00 UTC is 2 PM there.
    let flat = |id: u32, channel: &str, time: &str, more: &str| {
        format!(
            r#"{{"EventID":{id},"Channel":"{channel}","Hostname":"B","TimeCreated":"{time}","@timestamp":"{time}"{more}}}"#
        )
    };
    let text = [
        flat(4624, "Security", "2024-03-04T02:00:00.000Z", ""),
        flat(
            1,
            sysmon,
            "2024-03-04T02:00:01.000Z",
            r#","UtcTime":"2024-03-04 12:00:00.900""#,
        ),
        flat(4634, "Security", "2024-03-04T02:00:02.000Z", ""),
    ]
    .join("\r\n");
    let all = read_bytes("x", text.as_bytes());
    check(
        "before the first Sysmon event",
        &row(&all, "Security", 4624),
        &[("_time", "1709553600000000")],
    );
    check(
        "Sysmon",
        &row(&all, sysmon, 1),
        &[("_time", "1709553600900000")],
    );
    check(
        "after it",
        &row(&all, "Security", 4634),
        &[("_time", "1709553602000000")],
    );
}

#[test]
fn unknown_shapes_are_not_silence() {
    let text: String = (0..1204)
        .map(|number| format!("{{\"ticket\":{number},\"owner\":\"x\"}}\n"))
        .collect();
    let all = read_bytes("x.json", text.as_bytes());
    let source = &all.sources[0];
    let message = &source.problems[0].message;
    assert!(message.starts_with("0 of 1,204 records have a shape that is understood; keys seen in the others: owner, ticket; the shapes understood are "), "{message}");
    assert!(source.is_lossy());
    // In a folder it is merely another file.
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("x.json"), &text).expect("a file");
    let all = common::read_path(folder.path());
    assert!(!all.sources[0].is_lossy() && !all.sources[0].problems.is_empty());
}

#[test]
fn cim_records_and_splunk_fields() {
    let text = r#"{"sourcetype":"stream:ldap","_time":"1709553600.5","host":"A","user":["x","y"],"dest":"B"}
{"result":{"sourcetype":"WinEventLog:Security","EventCode":"4624","ComputerName":"A","_time":"2024-03-04T12:00:00.500+00:00","Logon_Type":"3","Account_Name":["-","joe"]}}
{"time":1709553600.5,"host":"A","sourcetype":"custom","event":{"user":"z"}}"#;
    let all = read_bytes("x", text.as_bytes());
    let cim = row(&all, "stream:ldap", 0);
    check(
        "CIM",
        &cim,
        &[
            ("_time", NOON),
            ("host", "A"),
            ("dest", "B"),
            ("sourcetype", "stream:ldap"),
        ],
    );
    assert_eq!(cim["user"], ["x", "y"]);
    let logon = row(&all, "Security", 4624);
    check(
        "Splunk fields",
        &logon,
        &[("_time", NOON), ("host", "A"), ("Logon_Type", "3")],
    );
    assert_eq!(logon["Account_Name"], ["-", "joe"]);
    check(
        "HEC",
        &row(&all, "cim:custom", 0),
        &[("user", "z"), ("_time", NOON)],
    );
}

const CLASSIC: &str = "03/04/2024 12:00:00.500 PM
LogName=Security
EventCode=4624
EventType=0
ComputerName=SRV-A.example.test
SourceName=Microsoft Windows security auditing.
Type=Information
RecordNumber=77
Keywords=Audit Success
TaskCategory=Logon
OpCode=Info
Message=An account was successfully logged on.

Subject:
\tSecurity ID:\t\tNULL SID
\tAccount Name:\t\t-
\tAccount Domain:\t\t-
\tLogon ID:\t\t0x0

Logon Information:
\tLogon Type:\t\t3
\tElevated Token:\t\tYes

Impersonation Level:\t\tImpersonation

New Logon:
\tSecurity ID:\t\tCORP\\joe
\tAccount Name:\t\tjoe
\tAccount Domain:\t\tCORP
\tLogon ID:\t\t0x4B0AD12
\tLogon GUID:\t\t{00000000-0000-0000-0000-000000000000}

Process Information:
\tProcess ID:\t\t0x0
\tProcess Name:\t\t-

Network Information:
\tWorkstation Name:\tWS-B
\tSource Network Address:\t10.0.0.7
\tSource Port:\t\t50123

Detailed Authentication Information:
\tLogon Process:\t\tNtLmSsp 
\tAuthentication Package:\tNTLM
\tPackage Name (NTLM only):\tNTLM V2
\tKey Length:\t\t128

This event is generated when a logon session is created. It is generated on the computer that was accessed.

The logon type field indicates the kind of logon that occurred: 2 is interactive.
\t- Transited services indicate which intermediate services have participated in this logon request.
";

#[test]
fn classic_text_has_the_names_of_event_data() {
    let service = "03/04/2024 12:00:01 PM
LogName=System
EventCode=7036
ComputerName=A
RecordNumber=78
Message=The Tool Box service entered the running state.
";
    let privileges = "03/04/2024 12:00:02 PM
LogName=Security
EventCode=4672
ComputerName=A
RecordNumber=79
Message=Special privileges assigned to new logon.

Subject:
\tAccount Name:\t\tjoe

Privileges:\t\tSeSecurityPrivilege
\t\t\tSeBackupPrivilege
";
    let other = "03/04/2024 12:00:03 PM
LogName=Application
EventCode=1
ComputerName=A
RecordNumber=80
Message=Something happened.

Account Name:\tone
Account Name:\ttwo
";
    let sysmon = "03/04/2024 12:00:04 PM
LogName=Microsoft-Windows-Sysmon/Operational
EventCode=1
ComputerName=A
RecordNumber=81
Message=Process Create:
RuleName: -
UtcTime: 2024-03-04 12:00:04.000
Image: C:\\Windows\\System32\\cmd.exe
CommandLine: cmd /c \"echo a: b\"
";
    let text = format!("{CLASSIC}\n{service}\n{privileges}{other}{sysmon}").replace('\n', "\r\n");
    for (what, bytes) in [
        ("one", text.clone().into_bytes()),
        ("LF", text.replace('\r', "").into_bytes()),
    ] {
        let all = read_bytes("x.txt", &bytes);
        assert_eq!(
            (all.sources[0].kind, all.sources[0].records),
            (SourceKind::WindowsText, 5),
            "{what}"
        );
        let logon = row(&all, "Security", 4624);
        check(
            what,
            &logon,
            &[
                ("_time", NOON),
                ("_record", "77"),
                ("host", "SRV-A.example.test"),
                ("SubjectUserName", "-"),
                ("TargetUserName", "joe"),
                ("TargetDomainName", "CORP"),
                ("TargetLogonId", "0x4b0ad12"),
                ("LogonType", "3"),
                ("ElevatedToken", "%%1842"),
                ("ImpersonationLevel", "%%1833"),
                ("IpAddress", "10.0.0.7"),
                ("IpPort", "50123"),
                ("WorkstationName", "WS-B"),
                ("LogonProcessName", "NtLmSsp"),
                ("AuthenticationPackageName", "NTLM"),
                ("LmPackageName", "NTLM V2"),
                ("KeyLength", "128"),
                ("ProcessId", "0x0"),
                ("Keywords", "Audit Success"),
            ],
        );
        assert!(!logon.contains_key("Account_Name"), "{what}");
        check(
            what,
            &row(&all, "System", 7036),
            &[("param1", "Tool Box"), ("param2", "running")],
        );
        check(
            what,
            &row(&all, "Security", 4672),
            &[(
                "PrivilegeList",
                "SeSecurityPrivilege\n\t\t\tSeBackupPrivilege",
            )],
        );
        assert_eq!(
            row(&all, "Application", 1)["Account_Name"],
            ["one", "two"],
            "{what}"
        );
        let process = row(&all, "Microsoft-Windows-Sysmon/Operational", 1);
        check(
            what,
            &process,
            &[
                ("Image", r"C:\Windows\System32\cmd.exe"),
                ("CommandLine", "cmd /c \"echo a: b\""),
                ("RuleName", "-"),
            ],
        );
    }
    // In a Splunk export `_time` tells the zone.
    let export = format!(
        r#"{{"result":{{"_raw":{},"_time":"2024-03-04T17:00:00.500+00:00","source":"WinEventLog:Security"}}}}"#,
        serde_json::Value::String(CLASSIC.to_owned())
    );
    let all = read_bytes("x.json", export.as_bytes());
    check(
        "zone",
        &row(&all, "Security", 4624),
        &[
            ("_time", "1709571600500000"),
            ("TargetUserName", "joe"),
            ("source", "WinEventLog:Security"),
        ],
    );
}

#[test]
fn zeek_as_text_and_as_json() {
    let text = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#open\t2024-03-04-12-00-00\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tservice\ttunnel_parents\n#types\ttime\tstring\taddr\tport\tstring\tset[string]\n1709553600.500000\tCabc\t10.0.0.7\t50123\t-\tC1,C2\n1709553601.000000\tCabd\t10.0.0.7\t50124\tsmb\\x2cgssapi\t(empty)\n#close\t2024-03-04-13-00-00\n";
    let all = read_bytes("conn.log", text.as_bytes());
    assert_eq!(
        (all.sources[0].kind, all.sources[0].records),
        (SourceKind::Zeek, 2)
    );
    let rows = rows(&all, "zeek:conn", 0);
    check(
        "TSV",
        &rows[0],
        &[
            ("_time", NOON),
            ("uid", "Cabc"),
            ("id.orig_h", "10.0.0.7"),
            ("host", ""),
        ],
    );
    assert_eq!(rows[0]["tunnel_parents"], ["C1", "C2"]);
    assert!(!rows[0].contains_key("service") && !rows[1].contains_key("tunnel_parents"));
    check("escapes", &rows[1], &[("service", "smb,gssapi")]);
    let json = r#"{"ts":1709553600.5,"uid":"C1","id.orig_h":"10.0.0.7","id.resp_p":445,"conn_state":"SF"}
{"_path":"dce_rpc","_system_name":"sensor","ts":"2024-03-04T12:00:00.500000Z","uid":"C2","id.orig_h":"10.0.0.7","endpoint":"svcctl","operation":"CreateServiceW"}
{"@stream":"ntlm","@system":"bro","ts":1709553600.5,"uid":"C3","id_orig_h":"10.0.0.7"}"#;
    let all = read_bytes("x", json.as_bytes());
    assert_eq!(all.sources[0].kind, SourceKind::Zeek);
    check(
        "conn",
        &row(&all, "zeek:conn", 0),
        &[("_time", NOON), ("id.resp_p", "445")],
    );
    check(
        "dce_rpc",
        &row(&all, "zeek:dce_rpc", 0),
        &[("_time", NOON), ("host", "sensor"), ("endpoint", "svcctl")],
    );
    check(
        "ntlm",
        &row(&all, "zeek:ntlm", 0),
        &[("host", "bro"), ("id.orig_h", "10.0.0.7")],
    );
}

#[test]
fn the_time_of_the_event_counts_before_that_of_the_shipper() {
    let text = r#"{"@timestamp":"2024-03-04T15:00:00Z","winlog":{"event_id":4624,"channel":"Security","computer_name":"SRV-A","record_id":77,"time_created":"2024-03-04T12:00:00.5Z"}}"#;
    let row = row(&read_bytes("a.jsonl", text.as_bytes()), "Security", 4624);
    check("winlog.time_created", &row, &[("_time", NOON)]);
}

#[test]
fn event_xml_is_read_from_any_field() {
    let xml = XML.replace('"', "\\\"");
    let text = format!(r#"{{"computer_name":"other","record_number":3,"xml_string":"{xml}"}}"#);
    let all = read_bytes("a.jsonl", text.as_bytes());
    logon("xml_string", &row(&all, "Security", 4624));
}

#[test]
fn a_value_that_breaks_off_is_kept_as_far_as_it_goes() {
    let end = XML.find("10.0.0.7").expect("is there") + 4;
    let all = read_bytes("a.xml", &XML.as_bytes()[..end]);
    let row = row(&all, "Security", 4624);
    check("cut", &row, &[("LogonType", "3"), ("IpAddress", "10.0")]);
    let json = r#"{"EventID":4624,"Channel":"Security","Computer":"SRV-A","EventRecordID":77,"TimeCreated":"2024-03-04T12:00:00.5Z","EventData":{"LogonType":3,"Note":"a \"quote\" \u0041","IpAddress":"10.0.0.7"}}"#;
    for (end, fields) in [
        (
            "10.0",
            &[
                ("LogonType", "3"),
                ("Note", "a \"quote\" A"),
                ("IpAddress", "10.0"),
            ][..],
        ),
        ("IpAdd", &[("Note", "a \"quote\" A")]),
        (
            "IpAddress\":",
            &[("Note", "a \"quote\" A"), ("IpAddress", "")],
        ),
        // Neither half an escape nor half a number is a value.
        ("\\u00", &[("Note", "a \"quote\" ")]),
        ("LogonType\":3", &[("LogonType", "")]),
    ] {
        let length = json.find(end).expect("is there") + end.len();
        // The file ends there, or another record begins.
        let other = r#"{"EventID":4634,"Channel":"Security","Computer":"SRV-A","EventRecordID":78,"TimeCreated":"2024-03-04T12:00:01.5Z"}"#;
        let followed = format!("{}\n{other}\n", &json[..length]);
        // Behind a colon another record would be the value.
        let followed = (!end.ends_with(':')).then_some(followed);
        for text in [json[..length].to_owned()].into_iter().chain(followed) {
            let all = read_bytes("a.json", text.as_bytes());
            let source = &all.sources[0];
            assert!(source.is_lossy(), "{text}");
            let row = self::row(&all, "Security", 4624);
            check(
                &text,
                &row,
                &[("_time", NOON), ("_record", "77"), ("host", "SRV-A")],
            );
            check(&text, &row, fields);
            assert_eq!(
                rows(&all, "Security", 4634).len(),
                text.matches("4634").count(),
                "{text}"
            );
        }
    }
    // Before its time is there it is not an event.
    let length = json.find("TimeCreated").expect("is there") + 20;
    let all = read_bytes("a.json", &json.as_bytes()[..length]);
    assert_eq!((all.sources[0].records, all.sources[0].skipped), (0, 1));
}

#[test]
fn a_zeek_log_without_rows_is_no_loss() {
    let text = "#separator \\x09\n#path\tconn\n#fields\tts\tuid\n#types\ttime\tstring\n#close\t2024-03-04\n";
    let all = read_bytes("conn.log", text.as_bytes());
    let source = &all.sources[0];
    assert_eq!((source.kind, source.is_lossy()), (SourceKind::Zeek, false));
}

/// The values of a field in all rows of an event type.
fn values(all: &crabwalk_sources::Read, channel: &str, event_id: u32, field: &str) -> Vec<String> {
    rows(all, channel, event_id)
        .iter()
        .map(|row| row.get(field).map(|values| values.join("|")))
        .map(Option::unwrap_or_default)
        .collect()
}

/// One event, whose data have two names of the header, in the shapes that tell header and data apart.
const TWO_SPACES: [&str; 4] = [
    r#"<Event><System><Provider Name="Microsoft-Windows-Eventlog"/><EventID>105</EventID><Version>1</Version><TimeCreated SystemTime="2024-03-04T12:00:00.5Z"/><EventRecordID>7</EventRecordID><Channel>System</Channel><Computer>SRV-A</Computer></System><UserData><AutoBackup><Channel>Forwarded</Channel><Version>9.1</Version><host>other</host><source>disk</source><Provider>Own</Provider></AutoBackup></UserData></Event>"#,
    r##"{"Event":{"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Eventlog"}},"EventID":105,"Version":1,"TimeCreated":{"#attributes":{"SystemTime":"2024-03-04T12:00:00.5Z"}},"EventRecordID":7,"Channel":"System","Computer":"SRV-A"},"UserData":{"AutoBackup":{"Channel":"Forwarded","Version":"9.1","host":"other","source":"disk","Provider":"Own"}}}}"##,
    r#"{"@timestamp":"2024-03-04T12:00:00.5Z","host":{"name":"SRV-A"},"winlog":{"event_id":105,"channel":"System","version":1,"computer_name":"SRV-A","record_id":7,"provider_name":"Microsoft-Windows-Eventlog","user_data":{"Channel":"Forwarded","Version":"9.1","host":"other","source":"disk","Provider":"Own"}}}"#,
    r#"{"EventTime":"2024-03-04T12:00:00.5Z","Hostname":"SRV-A","SourceName":"Microsoft-Windows-Eventlog","Channel":"System","EventID":105,"Version":1,"RecordNumber":7,"EventData":{"Channel":"Forwarded","Version":"9.1","host":"other","source":"disk","Provider":"Own"}}"#,
];

#[test]
fn header_and_data_are_two_spaces_of_names() {
    for text in TWO_SPACES {
        let all = read_bytes("a.txt", text.as_bytes());
        check(
            text,
            &row(&all, "System", 105),
            &[
                ("_time", NOON),
                ("host", "SRV-A"),
                ("Provider", "Microsoft-Windows-Eventlog"),
                ("Version", "1"),
                ("EventData.Channel", "Forwarded"),
                ("EventData.Version", "9.1"),
                ("EventData.host", "other"),
                ("EventData.source", "disk"),
                ("EventData.Provider", "Own"),
            ],
        );
    }
}

#[test]
fn columns_of_zeek_do_not_take_the_place_of_metadata() {
    let text = "#separator \\x09\n#path\thttp\n#fields\tts\tuid\thost\turi\n#types\ttime\tstring\tstring\tstring\n1709553600.5\tC1\tshop.example\t/a\n";
    let json = r#"{"_path":"http","_system_name":"sensor","ts":1709553600.5,"uid":"C1","host":"shop.example","uri":"/a","source":"HTTP"}"#;
    for (text, host) in [(text, ""), (json, "sensor")] {
        let all = read_bytes("http.log", text.as_bytes());
        let row = row(&all, "zeek:http", 0);
        check(
            text,
            &row,
            &[("host", host), ("EventData.host", "shop.example")],
        );
        assert!(!row.contains_key("source"));
    }
}

#[test]
fn the_kind_of_a_zeek_log_comes_from_its_rows_its_name_and_its_columns() {
    for (name, text, kind) in [
        (
            "dhcp.log",
            r#"{"ts":1709553600.5,"uids":["C1"],"mac":"00:11:22:33:44:55"}"#,
            "dhcp",
        ),
        (
            "x509.2024-03-04-12-00-00.log",
            r#"{"ts":1709553600.5,"fingerprint":"ab"}"#,
            "x509",
        ),
        (
            "conn_20240304.json",
            r#"{"ts":1709553600.5,"uid":"C1"}"#,
            "conn",
        ),
        (
            "known_hosts.log",
            r#"{"ts":1709553600.5,"host":"10.0.0.7"}"#,
            "known_hosts",
        ),
        (
            "dhcp.log",
            r#"{"_path":"dns","ts":1709553600.5,"uid":"C1"}"#,
            "dns",
        ),
        (
            "a.json",
            r#"{"ts":1709553600.5,"mac":"00:11:22:33:44:55","assigned_addr":"10.0.0.7"}"#,
            "dhcp",
        ),
        (
            "a.json",
            r#"{"ts":1709553600.5,"note":"Scan::Port","msg":"found"}"#,
            "notice",
        ),
        (
            "a.json",
            r#"{"ts":1709553600.5,"software_type":"SSH::SERVER","name":"OpenSSH"}"#,
            "software",
        ),
        // A row with few columns is of the kind of those around it.
        (
            "a.json",
            "{\"ts\":1709553600.5,\"uid\":\"C1\",\"proto\":\"tcp\"}\n{\"ts\":1709553601.5,\"uid\":\"C2\",\"conn_state\":\"SF\"}",
            "conn",
        ),
        // A file may be named after anything: what the columns prove counts first.
        (
            "dns.json",
            r#"{"ts":1709553600.5,"uid":"C1","conn_state":"SF"}"#,
            "conn",
        ),
        (
            "files-of-smb_files.log",
            r#"{"ts":1709553600.5,"uid":"C1","action":"SMB::FILE_OPEN","path":"\\\\A\\C$","name":"a.exe"}"#,
            "smb_files",
        ),
        (
            "stats.json",
            r#"{"ts":1709553600.5,"peer":"zeek","mem":120,"pkts_proc":7}"#,
            "stats",
        ),
    ] {
        let all = read_bytes(name, text.as_bytes());
        let source = &all.sources[0];
        assert_eq!(
            (source.kind, source.is_lossy()),
            (SourceKind::Zeek, false),
            "{name}: {text}"
        );
        let tables: Vec<&str> = all
            .collected
            .tables
            .iter()
            .map(|table| table.channel.as_str())
            .collect();
        assert_eq!(tables, [format!("zeek:{kind}")], "{name}: {text}");
    }
    // Logs of other programs, though they have a time of that name and their files are named as a log of Zeek.
    for (name, text) in [
        (
            "a.json",
            r#"{"ts":1709553600.5,"host":"web","level":"info"}"#,
        ),
        (
            "syslog.json",
            r#"{"ts":1709553600.5,"host":"web","level":"info"}"#,
        ),
        (
            "stats.json",
            r#"{"ts":1709553600.5,"peer":"web","requests":7}"#,
        ),
        (
            "software.json",
            r#"{"ts":1709553600.5,"name":"editor","version":"1.2"}"#,
        ),
    ] {
        let all = read_bytes(name, text.as_bytes());
        assert_eq!(all.sources[0].kind, SourceKind::Json, "{name}");
        assert!(all.sources[0].is_lossy(), "{name}");
    }
}

#[test]
fn the_id_0_is_an_event_id() {
    for text in [
        r##"{"Event":{"System":{"Provider":{"#attributes":{"Name":"svc"}},"EventID":0,"TimeCreated":{"#attributes":{"SystemTime":"2024-03-04T12:00:00.5Z"}},"EventRecordID":1,"Channel":"Application","Computer":"SRV-A"},"EventData":{"Data":"started"}}}"##,
        r#"{"@timestamp":"2024-03-04T12:00:00.5Z","EventID":0,"Channel":"Application","Hostname":"SRV-A","Data":"started"}"#,
    ] {
        let all = read_bytes("a.jsonl", text.as_bytes());
        check(
            text,
            &row(&all, "Application", 0),
            &[("host", "SRV-A"), ("Data", "started")],
        );
    }
}

#[test]
fn the_events_own_time_counts_in_every_shape() {
    let flat = |times: &str| {
        format!(
            r#"{{{times},"EventID":4624,"Channel":"Security","Computer":"SRV-A","TargetUserName":"ann"}}"#
        )
    };
    let beat = |times: &str| {
        format!(
            r#"{{{times},"winlog":{{"event_id":4624,"channel":"Security","computer_name":"SRV-A"}}}}"#
        )
    };
    for text in [
        flat(r#""TimeGenerated":"20240304120000.500000-000""#),
        flat(
            r#""TimeGenerated":"20240304060000.500000-360","TimeWritten":"20240304150000.000000-000""#,
        ),
        flat(r#""TimeGenerated":"2024-03-04T12:00:00.5Z","@timestamp":"2024-03-04T12:20:00Z""#),
        // Without a zone, and received a second later.
        flat(r#""TimeGenerated":"2024-03-04 14:00:00.5","@timestamp":"2024-03-04T12:00:01Z""#),
        flat(r#""TimeCreated":"/Date(1709553600500)/""#),
        flat(
            r#""TimeCreated":{"value":"/Date(1709553600500)/","DisplayHint":2,"DateTime":"Monday, March 4, 2024 1:00:00 PM"}"#,
        ),
        flat(r#""TimeCreated":"2024-03-04T13:00:00.5+01:00""#),
        flat(r#""TimeCreated":"2024-03-04 13:00:00.5 +0100","date":1709560000.1"#),
        flat(r#""Timestamp":"2024-03-04 21:00:00.500 +09:00""#),
        flat(r#""Timestamp":"2024-03-04 12:00:00.500","_time":"2024-03-04T12:00:00.500Z""#),
        flat(r#""timestamp":1709553600500,"@timestamp":"2024-03-05T00:00:00Z""#),
        flat(r#""timestamp":1709553600500000"#),
        flat(r#""timestamp":1709553600500000000"#),
        flat(r#""datetime":"Mon, 04 Mar 2024 12:00:00.5 +0000""#),
        // The one names its zone, and the other is next to it.
        flat(
            r#""EventTime":"2024-03-04 14:00:00.5","EventReceivedTime":"2024-03-04 14:00:02+02:00""#,
        ),
        flat(r#""Date":"2024-03-04","Time":"12:00:00.5""#),
        // Names that are not known, and what databases wrap around times.
        flat(r#""event_time":"2024-03-04T12:00:00.5Z""#),
        flat(r#""TimeCreatedUtc":"2024-03-04T12:00:00.5Z","created":"2024-03-04T12:09:00Z""#),
        flat(r#""TimeStamp":"2024-03-04T12:00:00.5Z""#),
        flat(r#""TimeCreated":{"$date":"2024-03-04T12:00:00.5Z"}"#),
        flat(r#""TimeCreated":{"$date":{"$numberLong":"1709553600500"}}"#),
        flat(r#""TimeGenerated [UTC]":"3/4/2024, 12:00:00.500 PM""#),
        flat(r#""Date and Time":"3/4/24 12:00:00.500 PM""#),
        flat(r#""TimeCreated_SystemTime":"2024-03-04T12:00:00.5Z","time":"2024-03-04T13:00:00Z""#),
        flat(
            r#""winlog.time_created":"2024-03-04T12:00:00.5Z","@timestamp":"2024-03-04T18:00:00Z""#,
        ),
        flat(r#""TimeCreated":{"@SystemTime":"2024-03-04T12:00:00.5Z"}"#),
        flat(r##""TimeCreated":{"#attributes":{"SystemTime":"2024-03-04T12:00:00.5Z"}}"##),
        flat(r#""System":{"TimeCreated":{"SystemTime":1709553600.5}}"#),
        flat(r#""ts":"2024-03-04T12:00:00.5Z""#),
        // Received days later, which tells no zone.
        flat(r#""EventTime":"2024-03-04 12:00:00.5","@timestamp":"2024-03-06T10:10:10Z""#),
        // What is wrapped around a record without a time.
        format!(r#"{{"time":1709553600.5,"event":{}}}"#, flat(r#""Task":1"#)),
        format!(
            r#"{{"@timestamp":1709553600.5,"log":{}}}"#,
            flat(r#""Task":1"#)
        ),
        format!(
            r#"{{"@timestamp":"2024-03-05T12:00:00Z","message":{}}}"#,
            flat(r#""EventTime":"2024-03-04T12:00:00.5Z""#)
        ),
        // Zones by name.
        flat(r#""Timestamp":"2024-03-04 07:00:00.500 EST""#),
        flat(r#""timestamp":"2024.03.04 13:00:00.500 UTC+01:00""#),
        flat(
            r#""EventTime":"2024-03-04 14:00:00.5","EventReceivedTime":"2024-03-04 14:00:02","@timestamp":"2024-03-04T12:00:02Z""#,
        ),
        beat(r#""@timestamp":"2024-03-04T12:00:00.5Z","event":{"created":"2024-03-04T12:00:03Z"}"#),
        beat(
            r#""@timestamp":"2024-03-04T18:00:00Z","event":{"created":"2024-03-04T12:00:00.5Z","ingested":"2024-03-04T18:00:01Z"}"#,
        ),
    ] {
        let all = read_bytes("a.jsonl", text.as_bytes());
        check(&text, &row(&all, "Security", 4624), &[("_time", NOON)]);
    }
    for times in [
        r#""@timestamp":"2024-03-04T18:00:00Z""#,
        r#""event":{"ingested":"2024-03-04T18:00:00Z"}"#,
    ] {
        let sysmon = format!(
            r#"{{{times},"log":{{"level":"warning"}},"winlog":{{"event_id":1,"channel":"Microsoft-Windows-Sysmon/Operational","computer_name":"SRV-A","event_data":{{"UtcTime":"2024-03-04 12:00:00.500"}}}}}}"#
        );
        let all = read_bytes("a.jsonl", sysmon.as_bytes());
        let row = row(&all, "Microsoft-Windows-Sysmon/Operational", 1);
        check("received late", &row, &[("_time", NOON), ("Level", "3")]);
    }
    for head in ["2024-03-04T12:00:00.5Z", "2024-03-06T10:10:10Z"] {
        let line = format!(
            r#"<14>1 {head} SRV-A Microsoft-Windows-Security-Auditing 4 - [NXLOG@14506 EventTime="2024-03-04 12:00:00" EventID="4624" Channel="Security" TargetUserName="ann"] text"#
        );
        let all = read_bytes("a.log", line.as_bytes());
        let row = row(&all, "Security", 4624);
        let time = row.get("_time").and_then(|times| times.first());
        assert!(
            time.is_some_and(|time| time.starts_with("1709553600")),
            "{head}: {time:?}"
        );
    }
}

#[test]
fn records_of_fluent_bit_get_event_log_and_plaso() {
    let message = r"A user account was locked out.\r\n\r\nSubject:\r\n\tSecurity ID:\t\tS-1-5-18\r\n\tAccount Name:\t\tDC1$\r\n\r\nAccount That Was Locked Out:\r\n\tSecurity ID:\t\tS-1-5-21-1-2-3-1104\r\n\tAccount Name:\t\tann\r\n\r\nAdditional Information:\r\n\tCaller Computer Name:\tWS-7";
    let winlog = format!(
        r#"{{"RecordNumber":77,"TimeGenerated":"2024-03-04 13:00:00 +0100","TimeWritten":"2024-03-04 13:00:00 +0100","EventID":4740,"Qualifiers":0,"EventType":"SuccessAudit","EventCategory":13824,"Channel":"Security","SourceName":"Microsoft-Windows-Security-Auditing","ComputerName":"DC1.example.test","Data":"","Sid":"","Message":"{message}","StringInserts":["ann","WS-7","S-1-5-21-1-2-3-1104"]}}"#
    );
    let winevtlog = format!(
        r#"{{"ProviderName":"Microsoft-Windows-Security-Auditing","ProviderGuid":"{{54849625-5478-4994-A5BA-3E3B0328C30D}}","Qualifiers":"","EventID":4740,"Version":0,"Level":0,"Task":13824,"Opcode":0,"Keywords":"0x8020000000000000","TimeCreated":"2024-03-04 13:00:00 +0100","EventRecordID":77,"ActivityID":"","RelatedActivityID":"","ProcessID":712,"ThreadID":828,"Channel":"Security","Computer":"DC1.example.test","UserID":"","Message":"{message}","StringInserts":["ann","WS-7","S-1-5-21-1-2-3-1104"]}}"#
    );
    let event_log = format!(
        r#"{{"EventID":4740,"MachineName":"DC1.example.test","Data":[],"Index":77,"Category":"(13824)","CategoryNumber":13824,"EntryType":8,"Message":"{message}","Source":"Microsoft-Windows-Security-Auditing","ReplacementStrings":["ann","WS-7"],"InstanceId":4740,"TimeGenerated":"/Date(1709553600000)/","TimeWritten":"/Date(1709553600000)/","UserName":null}}"#
    );
    let wmi = format!(
        r#"{{"Category":13824,"CategoryString":"User Account Management","ComputerName":"DC1.example.test","Data":null,"EventCode":4740,"EventIdentifier":4740,"EventType":4,"InsertionStrings":["ann","WS-7"],"Logfile":"Security","Message":"{message}","RecordNumber":77,"SourceName":"Microsoft-Windows-Security-Auditing","TimeGenerated":"20240304130000.000000+060","TimeWritten":"20240304130000.000000+060","Type":"Audit Success","User":null}}"#
    );
    for text in [&winlog, &winevtlog, &event_log, &wmi] {
        let all = read_bytes("a.jsonl", text.as_bytes());
        let row = row(&all, "Security", 4740);
        let provider = ("Provider", "Microsoft-Windows-Security-Auditing");
        check(
            text,
            &row,
            &[
                ("_time", "1709553600000000"),
                ("_record", "77"),
                ("host", "DC1.example.test"),
                provider,
                ("TargetUserName", "ann"),
                ("TargetDomainName", "WS-7"),
            ],
        );
        for name in [
            "StringInserts",
            "ReplacementStrings",
            "InsertionStrings",
            "ProcessID",
            "Data",
        ] {
            assert!(!row.contains_key(name), "{name} of {text}");
        }
    }
    check(
        "winevtlog",
        &row(&read_bytes("a", winevtlog.as_bytes()), "Security", 4740),
        &[("ExecutionProcessID", "712")],
    );
    // Without a message the values have the names of their places, where the event is known.
    let bare = winevtlog.replace(message, "");
    check(
        "no message",
        &row(&read_bytes("a", bare.as_bytes()), "Security", 4740),
        &[
            ("TargetUserName", "ann"),
            ("TargetDomainName", "WS-7"),
            ("TargetSid", "S-1-5-21-1-2-3-1104"),
        ],
    );
    let other = bare.replace("\"EventID\":4740", "\"EventID\":9");
    assert_eq!(
        values(&read_bytes("a", other.as_bytes()), "Security", 9, "Data"),
        ["ann|WS-7|S-1-5-21-1-2-3-1104"]
    );

    let plaso = r#"{"__container_type__":"event","data_type":"windows:evt:record","computer_name":"SRV-A","event_identifier":7045,"record_number":77,"source_name":"Service Control Manager","strings":["sync","C:\\sync.exe"],"timestamp":1709553600500000,"timestamp_desc":"Creation Time"}
{"__container_type__":"event","data_type":"fs:stat","filename":"/a","timestamp":1709553600500000}"#;
    let all = read_bytes("a.jsonl", plaso.as_bytes());
    let row = row(&all, "System", 7045);
    check(
        "plaso",
        &row,
        &[
            ("_time", NOON),
            ("_record", "77"),
            ("host", "SRV-A"),
            ("Provider", "Service Control Manager"),
            ("ServiceName", "sync"),
            ("ImagePath", "C:\\sync.exe"),
        ],
    );
    let source = &all.sources[0];
    assert!(
        !source.is_lossy(),
        "what is not an event of a log is not a loss: {:?}",
        source.problems
    );
}

#[test]
fn tables_of_events_are_read_row_by_row() {
    let evtxecmd = "\u{feff}RecordNumber,EventRecordId,TimeCreated,EventId,Level,Provider,Channel,ProcessId,ThreadId,Computer,ChunkNumber,UserId,MapDescription,UserName,PayloadData1,Payload\r\n1,77,2024-03-04 12:00:00.5000000,4624,Info,Microsoft-Windows-Security-Auditing,Security,712,828,SRV-A.example.test,0,,Successful logon,x,y,\"{\"\"EventData\"\":{\"\"Data\"\":[{\"\"@Name\"\":\"\"TargetUserName\"\",\"\"#text\"\":\"\"o'neil & \\\"\"co\\\"\" \\u263a\"\"},{\"\"@Name\"\":\"\"LogonType\"\",\"\"#text\"\":\"\"3\"\"},{\"\"@Name\"\":\"\"IpAddress\"\",\"\"#text\"\":\"\"10.0.0.7\"\"}]}}\"\r\n";
    let splunk = format!(
        "_raw,_time,host,source,sourcetype\n\"{}\",2024-03-04T12:00:00.5Z,SRV-A.example.test,a,XmlWinEventLog\n",
        XML.replace('"', "\"\"")
    );
    let kibana = "@timestamp,winlog.event_id,winlog.channel,winlog.computer_name,winlog.record_id,winlog.event_data.TargetUserName,winlog.event_data.LogonType,winlog.event_data.IpAddress\n\"Mar 4, 2024 @ 12:00:00.500\",4624,Security,SRV-A.example.test,77,\"o'neil & \"\"co\"\" \u{263a}\",3,10.0.0.7\n";
    for (name, text) in [
        ("EvtxECmd", evtxecmd),
        ("Splunk", splunk.as_str()),
        ("Kibana", kibana),
    ] {
        let all = read_bytes("a.csv", text.as_bytes());
        let source = &all.sources[0];
        assert_eq!(
            (source.kind, source.records, source.is_lossy()),
            (SourceKind::Csv, 1, false),
            "{name}: {:?}",
            source.problems
        );
        logon(name, &row(&all, "Security", 4624));
    }
    let message = "A user account was locked out.\r\n\r\nAccount That Was Locked Out:\r\n\tSecurity ID:\t\tS-1-5-21-1-2-3-1104\r\n\tAccount Name:\t\tann\r\n";
    let export = format!(
        "#TYPE System.Diagnostics.Eventing.Reader.EventLogRecord\r\n\"Message\",\"Id\",\"Version\",\"Level\",\"RecordId\",\"ProviderName\",\"ProviderId\",\"LogName\",\"ProcessId\",\"ThreadId\",\"MachineName\",\"UserId\",\"TimeCreated\",\"LevelDisplayName\",\"Properties\"\r\n\"{message}\",\"4740\",\"0\",\"0\",\"77\",\"Microsoft-Windows-Security-Auditing\",\"54849625-5478-4994-a5ba-3e3b0328c30d\",\"Security\",\"712\",\"828\",\"DC1.example.test\",\"\",\"3/4/2024 12:00:00 PM\",\"Information\",\"System.Collections.Generic.List`1\"\r\n"
    );
    let viewer = format!(
        "Level,Date and Time,Source,Event ID,Task Category\nInformation,3/4/2024 12:00:00 PM,Microsoft-Windows-Security-Auditing,4740,User Account Management,\"{message}\"\n"
    );
    for text in [&export, &viewer] {
        let all = read_bytes("a.csv", text.as_bytes());
        assert!(!all.sources[0].is_lossy(), "{:?}", all.sources[0].problems);
        let row = row(&all, "Security", 4740);
        check(
            text,
            &row,
            &[
                ("_time", "1709553600000000"),
                ("TargetUserName", "ann"),
                ("Provider", "Microsoft-Windows-Security-Auditing"),
            ],
        );
        for name in ["Id", "ProcessId", "Properties", "LevelDisplayName"] {
            assert!(!row.contains_key(name), "{name} of {text}");
        }
    }
    // A row that breaks off is kept as far as it goes, and told.
    let cut = &evtxecmd[..evtxecmd.len() - 20];
    let all = read_bytes("a.csv", cut.as_bytes());
    assert!(all.sources[0].is_lossy());
    check("cut", &row(&all, "Security", 4624), &[("_record", "77")]);
}

/// The rendered message of a logon, with this between its lines.
fn rendered(line: &str, tab: &str) -> String {
    [
        "An account was successfully logged on.",
        "",
        "Subject:",
        "\tSecurity ID:\t\tS-1-0-0",
        "\tAccount Name:\t\t-",
        "",
        "New Logon:",
        "\tAccount Name:\t\tann",
        "\tLogon ID:\t\t0x5A1B2",
        "",
        "Network Information:",
        "\tSource Network Address:\t10.0.0.7",
        "\tSource Port:\t\t50123",
        "",
        "This event is generated when a logon session is created.",
    ]
    .join(line)
    .replace('\t', tab)
}

#[test]
fn what_other_programs_write_of_a_logon_is_the_same_logon() {
    let message = rendered("\\r\\n", "\\t");
    let flat = |text: &str| rendered("  ", " ").replace("An account", text);
    let snare = |tab: &str| {
        [
            "<14>Mar  4 12:00:00 SRV-A.example.test MSWinEventLog",
            "1",
            "Security",
            "9",
            "Mon Mar 04 12:00:00 2024",
            "4624",
            "Microsoft-Windows-Security-Auditing",
            "N/A",
            "N/A",
            "Success Audit",
            "SRV-A.example.test",
            "Logon",
            "",
            &flat("An account"),
            "9",
        ]
        .join(tab)
    };
    let xml = XML.replace("o'neil &amp; \"co\" &#x263a;", "ann");
    let cell = xml.replace('"', "\"\"");
    let strings = "Strings: ['-' 'it\\'s ] Computer Name: other' \"ann\"]";
    for (name, text, fields) in [
        (
            "WMI's objects",
            format!(r#"[{{"__CLASS":"Win32_NTLogEvent","ComputerName":"SRV-A.example.test","EventCode":4624,"EventIdentifier":4624,"Logfile":"Security","InsertionStrings":["-","ann"],"Message":"{message}","RecordNumber":77,"SourceName":"Microsoft-Windows-Security-Auditing","TimeGenerated":"20240304130000.500000+060"}}]"#),
            &[("TargetUserName", "ann"), ("IpPort", "50123"), ("_record", "77")][..],
        ),
        (
            "Fluent Bit",
            format!(r#"{{"date":1709553602.1,"ProviderName":"Microsoft-Windows-Security-Auditing","EventID":4624,"TimeCreated":"2024-03-04 13:00:00.5 +0100","EventRecordID":77,"ProcessID":712,"Channel":"Security","Computer":"SRV-A.example.test","Message":"{message}","StringInserts":["-","ann"]}}"#),
            &[("TargetUserName", "ann"), ("TargetLogonId", "0x5a1b2"), ("_record", "77")],
        ),
        (
            "Chainsaw",
            r#"[{"group":"Sigma","kind":"individual","document":{"kind":"evtx","data":{"Event":{"EventData":{"TargetUserName":"ann"},"System":{"Channel":"Security","Computer":"SRV-A.example.test","EventID":4624,"EventRecordID":77,"TimeCreated_attributes":{"SystemTime":"2024-03-04T12:00:00.500000Z"}}}}},"timestamp":"2024-03-04T12:00:09+00:00"}]"#.to_owned(),
            &[("TargetUserName", "ann"), ("_record", "77")],
        ),
        (
            "fields of Elasticsearch",
            r#"{"_index":"x","_id":"1","fields":{"@timestamp":["2024-03-04T12:00:00.500Z"],"event.code":["4624"],"event.provider":["Microsoft-Windows-Security-Auditing"],"winlog.channel":["Security"],"winlog.record_id":["77"],"winlog.computer_name":["SRV-A.example.test"],"winlog.event_data.TargetUserName":["ann"]}}"#.to_owned(),
            &[("TargetUserName", "ann"), ("_record", "77"), ("Provider", "Microsoft-Windows-Security-Auditing")],
        ),
        (
            "Kibana's table with grouped digits",
            "\"@timestamp\",\"winlog.event_id\",\"winlog.channel\",\"winlog.record_id\",\"winlog.computer_name\",\"winlog.event_data.TargetUserName\"\n\"Mar 4, 2024 @ 12:00:00.500\",\"4,624\",Security,\"1,234,567\",SRV-A.example.test,ann\n".to_owned(),
            &[("TargetUserName", "ann"), ("_record", "1234567")],
        ),
        (
            "a record with a name for everything below event_data",
            r#"{"channel":"Security","computer":"SRV-A.example.test","event_data":{"TargetUserName":"ann"},"event_id":4624,"host":"collector","provider_name":"Microsoft-Windows-Security-Auditing","record_id":77,"timestamp":"2024-03-04T12:00:00.500Z"}"#.to_owned(),
            &[("TargetUserName", "ann"), ("_record", "77")],
        ),
        (
            "GELF",
            format!(r#"{{"version":"1.1","host":"SRV-A.example.test","short_message":"An account","full_message":"{message}","timestamp":1709553600.5,"level":6,"_EventID":4624,"_Channel":"Security","_RecordNumber":77,"_SourceModuleType":"im_msvistalog","_TargetUserName":"ann"}}"#),
            &[("TargetUserName", "ann"), ("_record", "77")],
        ),
        (
            "a table of Azure",
            "\u{feff}\"TimeGenerated [UTC]\",Computer,Channel,EventSourceName,EventID,EventRecordId,TargetUserName\r\n\"3/4/2024, 12:00:00.500 PM\",SRV-A.example.test,Security,Microsoft-Windows-Security-Auditing,4624,77,ann\r\n".to_owned(),
            &[("TargetUserName", "ann"), ("_record", "77"), ("Provider", "Microsoft-Windows-Security-Auditing")],
        ),
        (
            "plaso's l2tcsv with the XML",
            format!("date,time,timezone,MACB,source,sourcetype,type,user,host,short,desc,version,filename,inode,notes,format,extra\n03/04/2024,12:00:00,UTC,M...,EVT,WinEVTX,Content Modification Time,-,SRV-A,x,\"[4624 / 0x1210] Source Name: Microsoft-Windows-Security-Auditing {} Computer Name: SRV-A.example.test Record Number: 77 Event Level: 0\",2,OS:/a.evtx,-,-,winevtx,\"record_number: 77; xml_string: {cell}\"\n03/04/2024,12:00:00,UTC,M...,FILE,NTFS,Modified,-,SRV-A,x,a file,2,OS:/a,-,-,filestat,\n", strings.replace('"', "\"\"")),
            &[("TargetUserName", "ann"), ("_record", "77")],
        ),
        (
            "plaso's dynamic output",
            format!("datetime,timestamp_desc,source,source_long,message,parser,display_name,tag\n2024-03-04T12:00:00.500000+00:00,Creation Time,EVT,WinEVTX,\"[4624 / 0x1210] Provider identifier: {{54849625-5478-4994-a5ba-3e3b0328c30d}} Source Name: Microsoft-Windows-Security-Auditing {} Computer Name: SRV-A.example.test Record Number: 77 Event Level: 0\",winevtx,OS:/a.evtx,-\n", strings.replace('"', "\"\"")),
            &[("_record", "77"), ("SubjectUserSid", "-"), ("SubjectUserName", "it's ] Computer Name: other")],
        ),
        (
            "plaso's dynamic output with Timesketch's columns",
            "message,timestamp,datetime,timestamp_desc,data_type\n\"[4624 / 0x1210] Source Name: Microsoft-Windows-Security-Auditing Strings: ['S-1-5-18' 'A$' 'D' '0x3e7' 'S-1-5-21-1' 'ann'] Computer Name: SRV-A.example.test Record Number: 77 Event Level: 0\",1709553600500000,2024-03-04T12:00:00.500000+00:00,Creation Time,windows:evtx:record\n".to_owned(),
            &[("_record", "77"), ("TargetUserName", "ann"), ("SubjectLogonId", "0x3e7")],
        ),
        (
            "plaso's JSON with nothing but the message",
            r#"{"__container_type__":"event","data_type":"windows:evtx:record","timestamp":1709553600500000,"timestamp_desc":"Creation Time","message":"[4624 / 0x1210] Source Name: Microsoft-Windows-Security-Auditing Strings: ['S-1-5-18' 'A$' 'D' '0x3e7' 'S-1-5-21-1' 'ann'] Computer Name: SRV-A.example.test Record Number: 77 Event Level: 0"}"#.to_owned(),
            &[("_record", "77"), ("TargetUserName", "ann")],
        ),
        (
            "plaso's l2tcsv in another zone",
            "date,time,timezone,MACB,source,sourcetype,type,user,host,short,desc,version,filename,inode,notes,format,extra\n03/04/2024,07:00:00,America/New_York,M...,EVT,WinEVTX,Creation Time,-,SRV-A,x,\"[4624 / 0x1210] Source Name: Microsoft-Windows-Security-Auditing Strings: ['S-1-5-18' 'A$'] Computer Name: SRV-A.example.test Record Number: 77 Event Level: 0\",2,OS:/a.evtx,-,-,winevtx,-\n".to_owned(),
            &[("_record", "77"), ("SubjectUserName", "A$")],
        ),
        (
            "a flat record with other spellings",
            r#"{"eventId":4624,"channel":"Security","computer_name":"SRV-A.example.test","recordId":77,"timeCreated":"2024-03-04T12:00:00.5Z","TargetUserName":"ann"}"#.to_owned(),
            &[("TargetUserName", "ann"), ("_record", "77")],
        ),
        (
            "a table with other spellings",
            "event_id,log_name,computer,record_id,time_created,TargetUserName\n4624,Security,SRV-A.example.test,77,2024-03-04T12:00:00.5Z,ann\n".to_owned(),
            &[("TargetUserName", "ann"), ("_record", "77")],
        ),
        (
            "Get-WinEvent's Format-List",
            format!(
                "\r\n\r\nTimeCreated  : 3/4/2024 12:00:00 PM\r\nProviderName : Microsoft-Windows-Security-Auditing\r\nId           : 4624\r\nMachineName  : SRV-A.example.test\r\nMessage      : {}\r\n\r\nTimeCreated  : 3/4/2024 12:00:01 PM\r\nProviderName : Microsoft-Windows-Security-Auditing\r\nId           : 4634\r\nMachineName  : SRV-A.example.test\r\nMessage      : An account was logged off.\r\n\r\n",
                rendered("\r\n               ", "\t")
            ),
            &[("TargetUserName", "ann"), ("IpPort", "50123"), ("TargetLogonId", "0x5a1b2")],
        ),
        (
            "WinCollect",
            format!(
                "<13>Mar 04 12:00:09 relay AgentDevice=WindowsLog\tAgentLogFile=Security\tPluginVersion=7.3\tSource=Microsoft-Windows-Security-Auditing\tComputer=SRV-A.example.test\tUser=\tDomain=\tEventID=4624\tEventIDCode=4624\tEventType=8\tRecordNumber=77\tTimeGenerated=1709553600\tMessage={}\n",
                flat("An account")
            ),
            &[("TargetUserName", "ann"), ("IpPort", "50123"), ("_record", "77")],
        ),
        (
            "evtsys",
            format!(
                "<29>1 2024-03-04T12:00:00Z SRV-A.example.test Security-Auditing - - - 4624: AUDIT_SUCCESS {}\n",
                flat("An account")
            ),
            &[("TargetUserName", "ann"), ("IpPort", "50123"), ("Provider", "Microsoft-Windows-Security-Auditing")],
        ),
        (
            "CEF",
            "<134>Mar  4 12:00:09 relay CEF:0|Microsoft|Microsoft Windows||Microsoft-Windows-Security-Auditing:4624|An account was successfully logged on.|Low|eventId=9 externalId=4624 msg=Network logon cat=Security rt=1709553600500 shost=WS\\=7 src=10.0.0.7 spt=50123 dvchost=SRV-A.example.test duser=ann dntdom=EXAMPLE duid=0x5a1b2 cn1=3 cn1Label=LogonType cs5=NTLM cs5Label=Authentication Package Name ad.LmPackageName=NTLM V2\n".to_owned(),
            &[
                ("TargetUserName", "ann"),
                ("TargetDomainName", "EXAMPLE"),
                ("TargetLogonId", "0x5a1b2"),
                ("LogonType", "3"),
                ("IpAddress", "10.0.0.7"),
                ("IpPort", "50123"),
                ("WorkstationName", "WS=7"),
                ("AuthenticationPackageName", "NTLM"),
                ("LmPackageName", "NTLM V2"),
            ],
        ),
        (
            "LEEF",
            "<13>1 2024-03-04T12:00:09Z relay - - - - LEEF:2.0|Microsoft|Windows|2019|4624|^|devTime=Mar 04 2024 12:00:00^devTimeFormat=MMM dd yyyy HH:mm:ss^cat=Security^src=10.0.0.7^usrName=ann^identHostName=SRV-A.example.test\n".to_owned(),
            &[("TargetUserName", "ann"), ("IpAddress", "10.0.0.7")],
        ),
        (
            "Hayabusa's table",
            "\"Timestamp\",\"RuleTitle\",\"Level\",\"Computer\",\"Channel\",\"EventID\",\"RecordID\",\"Details\",\"ExtraFieldInfo\"\n\"2024-03-04 13:00:00.500 +01:00\",\"Logon\",\"info\",\"SRV-A.example.test\",\"Sec\",4624,77,\"Type: 3 - NETWORK ¦ TgtUser: ann ¦ SrcComp: WS7 ¦ SrcIP: 10.0.0.7 ¦ LID: 0x5a1b2\",\"AuthenticationPackageName: NTLM ¦ IpPort: 50123 ¦ LmPackageName: n/a\"\n".to_owned(),
            &[
                ("TargetUserName", "ann"),
                ("LogonType", "3"),
                ("WorkstationName", "WS7"),
                ("IpAddress", "10.0.0.7"),
                ("TargetLogonId", "0x5a1b2"),
                ("IpPort", "50123"),
                ("LmPackageName", ""),
                ("Level", ""),
                ("_record", "77"),
            ],
        ),
        (
            "Hayabusa's JSON",
            r#"{"Timestamp":"2024-03-04 13:00:00.500 +01:00","RuleTitle":"Logon","Level":"info","Computer":"SRV-A.example.test","Channel":"Sec","EventID":4624,"RecordID":77,"Details":{"Type":"3 - NETWORK","TgtUser":"ann","SrcIP":"10.0.0.7"},"ExtraFieldInfo":{"IpPort":50123}}"#.to_owned(),
            &[("TargetUserName", "ann"), ("LogonType", "3"), ("IpPort", "50123"), ("RuleTitle", "Logon")],
        ),
        (
            "Wazuh with quoted times",
            r#"{"timestamp":"2024-03-04T12:00:09.000+0000","data":{"win":{"system":{"eventID":"4624","channel":"Security","computer":"SRV-A.example.test","systemTime":"\"2024-03-04T12:00:00.5000000Z\""},"eventdata":{"targetUserName":"ann"}}}}"#.to_owned(),
            &[("TargetUserName", "ann")],
        ),
        (
            "wevtutil's text",
            format!(
                "Event[0]:\r\n  Log Name: Security\r\n  Source: Microsoft-Windows-Security-Auditing\r\n  Date: 2024-03-04T12:00:00.5000000Z\r\n  Event ID: 4624\r\n  Task: Logon\r\n  Level: Information\r\n  Opcode: Info\r\n  Keyword: Audit Success\r\n  User: N/A\r\n  User Name: N/A\r\n  Computer: SRV-A.example.test\r\n  Description: \r\n{}\r\n\r\nEvent[1]:\r\n  Log Name: Security\r\n  Source: Microsoft-Windows-Security-Auditing\r\n  Date: 2024-03-04T12:00:01.5000000Z\r\n  Event ID: 4634\r\n  Computer: SRV-A.example.test\r\n  Description: \r\nAn account was logged off.\r\n",
                rendered("\r\n", "\t")
            ),
            &[("TargetUserName", "ann"), ("IpPort", "50123"), ("Keywords", "Audit Success")],
        ),
        (
            "Snare",
            snare("\t"),
            &[("TargetUserName", "ann"), ("IpAddress", "10.0.0.7"), ("IpPort", "50123"), ("TargetLogonId", "0x5a1b2")],
        ),
        ("Snare with written tabs", snare("#011"), &[("TargetUserName", "ann"), ("IpPort", "50123")]),
        (
            "structured data of syslog",
            "<14>1 2024-03-04T13:00:00.5+01:00 SRV-A.example.test Security-Auditing 712 - [NXLOG@14506 EventReceivedTime=\"2024-03-04 13:00:02\" SourceModuleType=\"im_msvistalog\" EventID=\"4624\" Channel=\"Security\" RecordNumber=\"77\" TargetUserName=\"ann\" ProcessName=\"C:\\\\a] \\\"b\\\"\"] An account was successfully logged on.\n".to_owned(),
            &[("TargetUserName", "ann"), ("_record", "77"), ("ProcessName", "C:\\a] \"b\"")],
        ),
        (
            "fields of Splunk",
            r#"{"preview":false,"result":{"_time":"1709553600.5","EventCode":"4624","RecordNumber":"77","ComputerName":"SRV-A.example.test","LogName":"Security","source":"WinEventLog:Security","sourcetype":"WinEventLog","Account_Name":["-","ann"],"Logon_ID":["0x3E7","0x5A1B2"]}}"#.to_owned(),
            &[("TargetUserName", "ann"), ("TargetLogonId", "0x5a1b2")],
        ),
    ] {
        let all = read_bytes("file", text.as_bytes());
        assert!(
            !all.sources[0].is_lossy(),
            "{name}: {:?}",
            all.sources[0].problems
        );
        let row = row(&all, "Security", 4624);
        // Some of them write whole seconds.
        let time = one(&row, "_time");
        assert!([NOON, "1709553600000000"].contains(&time), "{name}: {time}");
        check(name, &row, &[("host", "SRV-A.example.test")]);
        check(name, &row, fields);
    }
    // Plaso's findings other than log events are skipped.
    let all = read_bytes(
        "timeline.csv",
        b"datetime,timestamp_desc,source,source_long,message,parser,display_name,tag\n2024-03-04T12:00:00+00:00,Creation Time,FILE,NTFS,a file,filestat,OS:/a,-\n",
    );
    assert_eq!(
        (all.sources[0].records, all.sources[0].is_lossy()),
        (0, false)
    );
}

#[test]
fn a_message_of_one_line_has_its_labels() {
    let line = |command: &str| {
        format!(
            r#"{{"EventID":4688,"Channel":"Security","Hostname":"A","@timestamp":"2024-03-04T12:00:00Z","Message":"A new process has been created.    Creator Subject:   Security ID:  S-1-5-18   Account Name:  A$   Account Domain:  EXAMPLE   Logon ID:  0x3E7    Target Subject:   Security ID:  S-1-0-0   Account Name:  -   Process Information:   New Process ID:  0x1a4   New Process Name: C:\\a b.exe   Creator Process ID: 0x44   Creator Process Name: C:\\c.exe   Process Command Line: {command}    Token Elevation Type indicates the type of token."}}"#
        )
    };
    for (command, kept) in [
        ("a.exe  -x", "a.exe  -x"),
        // Text that somebody typed is not a label.
        ("a.exe New Process Name: x", "a.exe New Process Name: x"),
    ] {
        let all = read_bytes("a.json", line(command).as_bytes());
        let row = row(&all, "Security", 4688);
        check(
            command,
            &row,
            &[
                ("NewProcessName", "C:\\a b.exe"),
                ("SubjectUserName", "A$"),
                ("CommandLine", kept),
            ],
        );
        assert_eq!(row["NewProcessName"].len(), 1, "{row:?}");
    }
}

#[test]
fn tables_put_together_have_a_head_each() {
    let row = |number: u32| {
        format!(
            "\"text\",\"4624\",\"{number}\",\"Microsoft-Windows-Security-Auditing\",\"Security\",\"A\",\"2024-03-04T12:00:00Z\"\r\n"
        )
    };
    let head = "\"Message\",\"Id\",\"RecordId\",\"ProviderName\",\"LogName\",\"MachineName\",\"TimeCreated\"\r\n";
    let other = "RecordId,Id,LogName,ProviderName,MachineName,TimeCreated\n3,4625,Security,Microsoft-Windows-Security-Auditing,A,2024-03-04T12:00:01Z\n";
    let typed = "#TYPE System.Diagnostics.Eventing.Reader.EventLogRecord\r\n";
    let text = [
        typed,
        head,
        &row(1),
        typed,
        "\u{feff}",
        head,
        &row(2),
        other,
    ]
    .concat();
    let all = read_bytes("a.csv", text.as_bytes());
    assert_eq!(
        (all.sources[0].records, all.sources[0].is_lossy()),
        (3, false),
        "{:?}",
        all.sources
    );
    assert_eq!(values(&all, "Security", 4624, "_record"), ["1", "2"]);
    assert_eq!(values(&all, "Security", 4625, "_record"), ["3"]);
}

#[test]
fn dates_with_slashes_are_of_one_order_in_a_table() {
    let table = |dates: &[&str]| {
        let mut text = "Level,Date and Time,Source,Event ID,Task Category\n".to_owned();
        for date in dates {
            text += &format!(
                "Information,{date},Microsoft-Windows-Security-Auditing,4740,User Account Management,text\n"
            );
        }
        text
    };
    let day = |day: i64| (1_709_510_400_000_000 + (day - 4) * 86_400_000_000).to_string();
    let march = |days: &[i64]| days.iter().map(|at| day(*at)).collect::<Vec<_>>();
    for (text, times, undecided) in [
        // One date that is of one order alone tells it for those before it and behind it.
        (
            table(&[
                "04/03/2024 00:00:00",
                "13/03/2024 00:00:00",
                "05/03/2024 00:00:00",
            ]),
            march(&[4, 13, 5]),
            0,
        ),
        (
            table(&["3/4/2024 12:00:00 AM", "3/13/2024 12:00:00 AM"]),
            march(&[4, 13]),
            0,
        ),
        (
            table(&[
                "3/4/2024 12:00:00 AM",
                "3/5/2024 12:00:00 AM",
                "3/3/2024 12:00:00 AM",
            ]),
            march(&[4, 5, 3]),
            2,
        ),
        // Tables of two machines.
        (
            table(&["13/03/2024 00:00:00", "04/03/2024 00:00:00"])
                + &table(&["3/4/2024 12:00:00 AM", "3/13/2024 12:00:00 AM"]),
            march(&[13, 4, 4, 13]),
            0,
        ),
    ] {
        let all = read_bytes("a.csv", text.as_bytes());
        assert_eq!(values(&all, "Security", 4740, "_time"), times, "{text}");
        let told: Vec<&str> = all.sources[0]
            .problems
            .iter()
            .map(|problem| problem.message.as_str())
            .collect();
        assert_eq!(told.len(), usize::from(undecided > 0), "{text}: {told:?}");
        assert!(
            told.iter()
                .all(|message| message.contains(&format!("the dates of {undecided} rows"))),
            "{told:?}"
        );
        assert!(!all.sources[0].is_lossy());
    }
}

#[test]
fn a_label_of_a_wrapper_is_there_once() {
    let text = r#"{"preview":false,"result":{"_raw":"no event that is known","_time":"2024-03-04 12:00:00.500 UTC","host":"sensor","source":"/a.log","sourcetype":"bro:conn"}}"#;
    let all = read_bytes("a.json", text.as_bytes());
    let row = row(&all, "bro:conn", 0);
    check("labels", &row, &[("_time", NOON), ("host", "sensor")]);
    assert_eq!(
        (&row["sourcetype"], &row["source"]),
        (&vec!["bro:conn".to_owned()], &vec!["/a.log".to_owned()])
    );
}

#[test]
fn lines_of_log_managers_about_other_things_are_events_of_their_format() {
    let text = "<134>Mar  4 12:00:00 relay CEF:0|Maker|Wall|1.0|100|block\\|ed|5|rt=1709553600500 src=10.0.0.1 dst=203.0.113.9 spt=1232 msg=a\\=b and c cs1=inner cs1Label=Zone Name\nLEEF:1.0|Maker|Wall|1.0|block|devTime=2024-03-04T12:00:00.5Z\tsrc=10.0.0.1\tname=blocked it\n";
    let all = read_bytes("a.log", text.as_bytes());
    assert_eq!(
        (all.sources[0].records, all.sources[0].is_lossy()),
        (2, false),
        "{:?}",
        all.sources[0].problems
    );
    check(
        "CEF",
        &row(&all, "cim:cef", 0),
        &[
            ("_time", NOON),
            ("host", "relay"),
            ("vendor", "Maker"),
            ("signature", "block|ed"),
            ("src", "10.0.0.1"),
            ("msg", "a=b and c"),
            ("ZoneName", "inner"),
        ],
    );
    check(
        "LEEF",
        &row(&all, "cim:leef", 0),
        &[
            ("_time", NOON),
            ("signature", "blocked it"),
            ("src", "10.0.0.1"),
        ],
    );
    // A word in a line is not a format.
    let text = "Mar  4 12:00:00 host prog[1]: the CEF: of it|a|b|c|d|e|f|g=h\n";
    let all = read_bytes("a.log", text.as_bytes());
    assert_eq!(values(&all, "syslog:other", 0, "pid"), ["1"]);
}

#[test]
fn rows_of_zeek_that_a_shipper_dated_are_rows_of_zeek() {
    let text = r#"{"@timestamp":"2024-03-04T12:00:00.5Z","@version":"1","uid":"C1","id.orig_h":"10.0.0.7","id.resp_h":"10.0.0.9","conn_state":"SF"}"#;
    let all = read_bytes("a.json", text.as_bytes());
    check(
        "shipped",
        &row(&all, "zeek:conn", 0),
        &[("_time", NOON), ("uid", "C1")],
    );
    // Of other logs with such a name, not.
    let text = r#"{"@timestamp":"2024-03-04T12:00:00.5Z","uid":"C1","level":"info"}"#;
    let all = read_bytes("a.json", text.as_bytes());
    assert!(all.sources[0].is_lossy());
}

/// How many records there are of these files, read together by so many threads.
fn count(files: &[(&str, &str)], threads: usize) -> usize {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    let limits = crabwalk_sources::Limits {
        threads,
        ..crabwalk_sources::Limits::default()
    };
    let all = common::read_with(folder.path(), &limits);
    let rows: usize = all
        .collected
        .tables
        .iter()
        .flat_map(|table| &table.batches)
        .map(|batch| batch.num_rows())
        .sum();
    let covered: u64 = all.collected.coverage.iter().map(|one| one.records).sum();
    assert_eq!(covered, rows as u64, "{files:?}");
    rows
}

#[test]
fn copies_of_a_record_without_a_number_count_once_however_their_time_is_written() {
    let flat = |time: &str, number: &str| {
        format!(
            r#"{{"EventID":4624,"Channel":"Security","Computer":"SRV-A","TargetUserName":"ann","LogonType":3,"TimeCreated":"{time}"{number}}}"#
        ) + "\n"
    };
    let plain = |time: &str| flat(time, "");
    let [second, milli, micro] = [
        "2024-03-04T12:00:00Z",
        "2024-03-04T12:00:00.123Z",
        "2024-03-04T12:00:00.1234567Z",
    ];
    let other = "2024-03-04T12:00:00.124Z";
    let beat = format!(
        r#"{{"@timestamp":"{milli}","agent":{{"id":"1"}},"winlog":{{"event_id":4624,"channel":"Security","computer_name":"SRV-A","event_data":{{"TargetUserName":"ann","LogonType":"3"}}}}}}"#
    );
    let xml = XML.replace("SRV-A.example.test", "srv-a");
    let without = xml.replace("<EventRecordID>77</EventRecordID>", "");
    let message = format!(
        r#"{{"EventID":4624,"Channel":"Security","Hostname":"SRV-A","EventTime":"2024-03-04T12:00:00Z","TargetUserName":"O'Neil & \"co\" {}","LogonType":3,"Message":"rendered"}}"#,
        '\u{263a}'
    );
    let conn = "#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tduration\tlocal_orig\tconn_state\n#types\ttime\tstring\taddr\tinterval\tbool\tstring\n1709553600.123456\tC1\t10.0.0.7\t0.500000\tT\tSF\n";
    let conn_json = |time: &str, more: &str| {
        format!(
            r#"{{"ts":{time},"uid":"C1","id.orig_h":"10.0.0.7","duration":0.5,"local_orig":true,"conn_state":"SF"{more}}}"#
        )
    };
    let ssh = "sshd[7]: Accepted password for eva from 10.0.0.7 port 5 ssh2\n";
    let [old, new] = [
        format!("2024-03-04T12:00:00Z bastion {ssh}"),
        format!("2024-03-04T13:00:00.123456+01:00 bastion {ssh}"),
    ];
    for (files, records) in [
        (vec![plain(milli), plain(micro)], 1),
        (vec![plain(second), plain(micro)], 1),
        (vec![plain(micro), plain(second), plain(milli)], 1),
        (vec![plain(milli), beat], 1),
        // They happened twice, in one file or in two.
        (vec![plain(milli), plain(other)], 2),
        (vec![plain(milli) + &plain(other)], 2),
        (vec![plain(milli) + &plain(milli)], 2),
        (
            vec![plain(milli) + &plain(milli), plain(micro) + &plain(micro)],
            2,
        ),
        (
            vec![plain(milli) + &plain(other), plain(second) + &plain(second)],
            2,
        ),
        // An excerpt.
        (vec![plain(milli) + &plain(other), plain(other)], 2),
        (vec![plain(second), plain("2024-03-04T12:00:01Z")], 2),
        // A copy in whole seconds is of one of them, and not of both.
        (vec![plain(second), plain(milli), plain(other)], 2),
        (vec![plain(milli), plain(second), plain(other)], 2),
        (vec![plain(second), plain(micro), plain(milli)], 1),
        (
            vec![plain(second) + &plain(second), plain(milli), plain(other)],
            2,
        ),
        // Beside the log with its numbers.
        (vec![plain(milli), flat(micro, r#","EventRecordID":5"#)], 1),
        (
            vec![
                flat(micro, r#","EventRecordID":5"#),
                plain(second) + &plain(second),
            ],
            2,
        ),
        (vec![flat(other, r#","EventRecordID":5"#), plain(milli)], 2),
        (vec![xml.clone(), without], 1),
        (vec![xml.clone(), message.clone()], 1),
        (vec![xml, message.replace("co", "of another")], 2),
        // Zeek, as tables and as JSON.
        (vec![conn.to_owned(), conn_json("1709553600.123456", "")], 1),
        (
            vec![
                conn.to_owned(),
                conn_json(
                    "\"2024-03-04T12:00:00.123456Z\"",
                    r#","_path":"conn","_system_name":"sensor","_write_ts":"2024-03-04T12:00:05Z""#,
                ),
            ],
            1,
        ),
        (
            vec![
                conn_json("1709553600.123456", ""),
                conn_json("1709553600", ""),
            ],
            1,
        ),
        (
            vec![
                conn.to_owned(),
                conn_json("1709553600.123456", "").replace("true", "false"),
            ],
            2,
        ),
        (vec![old, new], 1),
    ] {
        let names = ["1/conn.log", "2/conn.log", "3/conn.log"];
        let named: Vec<(&str, &str)> = names
            .into_iter()
            .zip(files.iter().map(String::as_str))
            .collect();
        let turned: Vec<(&str, &str)> = names
            .into_iter()
            .zip(files.iter().rev().map(String::as_str))
            .collect();
        for files in [named, turned] {
            for threads in [1, 3] {
                assert_eq!(count(&files, threads), records, "{threads}: {files:#?}");
            }
        }
    }
}

#[test]
fn an_entry_of_the_journal_has_all_its_fields() {
    let entry = r#"{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1709553600900000","_SOURCE_REALTIME_TIMESTAMP":"1709553600500000","_HOSTNAME":"srv-a","_SYSTEMD_UNIT":"ssh.service","_UID":"0","SYSLOG_IDENTIFIER":"sshd","_PID":"712","PRIORITY":"6","_BYTES":[65,0,66],"TAGS":["a","b"],"MESSAGE":"Accepted password for ann from 10.0.0.7 port 50022 ssh2"}"#;
    let row = row(
        &read_bytes("journal.json", entry.as_bytes()),
        "syslog:sshd",
        0,
    );
    check(
        "a journal's entry",
        &row,
        &[
            ("_time", NOON),
            ("host", "srv-a"),
            ("user", "ann"),
            ("_SYSTEMD_UNIT", "ssh.service"),
            ("_UID", "0"),
            ("PRIORITY", "6"),
            ("__CURSOR", "s=1;i=2"),
        ],
    );
    assert_eq!(row.get("TAGS").map(Vec::len), Some(2), "{row:?}");
    assert!(!row.contains_key("_BYTES"), "{row:?}");
}

#[test]
fn entries_of_fluentd_date_their_records() {
    let record =
        r#"{"EventID":4624,"Channel":"Security","Computer":"SRV-A","TargetUserName":"ann"}"#;
    for entry in [
        format!("[1709553600.5, {record}]"),
        format!(r#"["windows.security", 1709553600.5, {record}]"#),
        format!(r#"["windows.security", 1709553600.5, {record}, {{"chunk":"x"}}]"#),
        format!(r#"["windows.security", [[1709553600.5, {record}]]]"#),
        format!(r#"["windows.security",[[1709553600.5,{record}]],{{"size":1}}]"#),
        format!("[[1709553600.5, {{}}], {record}]"),
        format!("[[1709553600.5,{{\"a\":1}}],{record}]"),
        format!("[[1709553600.5, {record}]]"),
        format!(r#"["2024-03-04T12:00:00.5Z", {record}]"#),
    ] {
        let all = read_bytes("a.json", entry.as_bytes());
        let row = row(&all, "Security", 4624);
        check(&entry, &row, &[("_time", NOON), ("TargetUserName", "ann")]);
        assert!(!all.sources[0].is_lossy(), "{entry}: {:?}", all.sources);
    }
    // The event's own time counts, and numbers in other arrays are no times.
    let own = record.replace(
        "{\"EventID",
        "{\"TimeCreated\":\"2024-03-04T12:00:00.5Z\",\"EventID",
    );
    let all = read_bytes("a.json", format!("[1700000000, {own}]").as_bytes());
    check("own", &row(&all, "Security", 4624), &[("_time", NOON)]);
    let two = format!(
        "[1709553600.5, {record}]\n[1709553600.5, {}]\n",
        record.replace("ann", "bob")
    );
    assert_eq!(
        rows(&read_bytes("a.json", two.as_bytes()), "Security", 4624).len(),
        2
    );
}

#[test]
fn the_dates_of_a_text_log_are_of_one_order() {
    let block = |date: &str, user: &str| {
        format!(
            "{date} 12:00:00\nLogName=Security\nEventCode=4624\nComputerName=SRV-A\nRecordNumber=7\nMessage=An account was successfully logged on.\n\nNew Logon:\n\tAccount Name:\t\t{user}\n\n"
        )
    };
    let days = |dates: [&str; 2]| -> Vec<String> {
        let text: String = dates
            .iter()
            .zip(["ann", "bob"])
            .map(|(date, user)| block(date, user))
            .collect();
        let all = read_bytes("a.log", text.as_bytes());
        let mut days: Vec<String> = rows(&all, "Security", 4624)
            .iter()
            .map(|row| one(row, "_time").to_owned())
            .collect();
        days.sort();
        days
    };
    let (march_4, march_13, april_3) = ("1709553600000000", "1710331200000000", "1712145600000000");
    // The thirteenth decides that the day comes first, before it or behind it.
    assert_eq!(days(["04/03/2024", "13/03/2024"]), [march_4, march_13]);
    assert_eq!(days(["13/03/2024", "04/03/2024"]), [march_4, march_13]);
    // With the month first, or if nothing decides, the month comes first.
    assert_eq!(days(["04/03/2024", "03/13/2024"]), [march_13, april_3]);
    assert_eq!(days(["04/03/2024", "03/04/2024"]), [march_4, april_3]);
    let list = "TimeCreated : 04/03/2024 12:00:00\nId          : 4624\nLogName     : Security\nMachineName : SRV-A\n\nTimeCreated : 13/03/2024 12:00:00\nId          : 4624\nLogName     : Security\nMachineName : SRV-A\n";
    let all = read_bytes("a.txt", list.as_bytes());
    let times: Vec<_> = rows(&all, "Security", 4624)
        .iter()
        .map(|row| one(row, "_time").to_owned())
        .collect();
    assert_eq!(times, [march_4, march_13]);
}
