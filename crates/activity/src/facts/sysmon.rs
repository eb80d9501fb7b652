//! Sysmon.

use super::facts;
use crate::channel::SYSMON;

facts! {
    /// A process was created.
    SysmonProcess = [(SYSMON, 1)] {
        process_guid: text = "ProcessGuid",
        process_id: int = "ProcessId",
        image: text = "Image",
        command_line: text = "CommandLine",
        user: text = "User",
        logon_guid: text = "LogonGuid",
        logon_id: int = "LogonId",
        terminal_session_id: text = "TerminalSessionId",
        parent_process_guid: text = "ParentProcessGuid",
        parent_process_id: int = "ParentProcessId",
        parent_image: text = "ParentImage",
        parent_command_line: text = "ParentCommandLine",
        original_file_name: text = "OriginalFileName",
        hashes: text = "Hashes",
    }

    /// A connection was opened or accepted.
    SysmonConnection = [(SYSMON, 3)] {
        process_guid: text = "ProcessGuid",
        image: text = "Image",
        user: text = "User",
        initiated: text = "Initiated",
        source_ip: text = "SourceIp",
        source_hostname: text = "SourceHostname",
        source_port: text = "SourcePort",
        destination_ip: text = "DestinationIp",
        destination_hostname: text = "DestinationHostname",
        destination_port: text = "DestinationPort",
    }

    /// A process ended.
    SysmonProcessEnd = [(SYSMON, 5)] {
        process_guid: text = "ProcessGuid",
    }

    /// A program loaded an image.
    ImageLoad = [(SYSMON, 7)] {
        process_guid: text = "ProcessGuid",
        image: text = "Image",
        image_loaded: text = "ImageLoaded",
        user: text = "User",
        signed: text = "Signed",
        signature: given = "Signature",
        signature_status: text = "SignatureStatus",
    }

    /// A file was created.
    FileCreation = [(SYSMON, 11)] {
        process_guid: text = "ProcessGuid",
        image: text = "Image",
        target_filename: text = "TargetFilename",
        user: text = "User",
    }

    /// A registry key was created or deleted (12), or a value set (13).
    RegistryEvent = [(SYSMON, 12), (SYSMON, 13)] {
        process_guid: text = "ProcessGuid",
        image: text = "Image",
        event_type: text = "EventType",
        target_object: text = "TargetObject",
    }

    /// A registry value was set.
    RegistryValue = [(SYSMON, 13)] {
        process_guid: text = "ProcessGuid",
        image: text = "Image",
        target_object: text = "TargetObject",
        details: text = "Details",
        user: text = "User",
    }

    /// A registry key or value was renamed.
    RegistryRename = [(SYSMON, 14)] {
        image: text = "Image",
        target_object: text = "TargetObject",
        new_name: text = "NewName",
        user: text = "User",
    }

    /// A pipe was made (17), or opened by a client (18).
    Pipe = [(SYSMON, 17), (SYSMON, 18)] {
        process_guid: text = "ProcessGuid",
        image: text = "Image",
        pipe_name: text = "PipeName",
    }

    /// A pipe was opened by a client.
    PipeConnection = [(SYSMON, 18)] {
        image: text = "Image",
        pipe_name: text = "PipeName",
    }

    /// A filter of a permanent WMI subscription was made, changed or deleted.
    WmiFilter = [(SYSMON, 19)] {
        user: given = "User",
        operation: text = "Operation",
        name: text = "Name",
        query: text = "Query",
    }

    /// A consumer of a permanent WMI subscription was made, changed or deleted.
    WmiConsumer = [(SYSMON, 20)] {
        user: text = "User",
        operation: text = "Operation",
        name: text = "Name",
        destination: text = "Destination",
    }

    /// A filter of WMI was bound to a consumer, or parted from it.
    WmiBinding = [(SYSMON, 21)] {
        user: given = "User",
        operation: text = "Operation",
        consumer: text = "Consumer",
        filter: text = "Filter",
    }

    /// A name was looked up.
    DnsQuery = [(SYSMON, 22)] {
        query_name: text = "QueryName",
        query_results: text = "QueryResults",
    }
}
