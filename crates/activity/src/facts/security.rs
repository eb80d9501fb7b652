//! The Security log.

use super::facts;
use crate::channel::SECURITY;

facts! {
    /// An account logged on.
    Logon = [(SECURITY, 4624)] {
        target_user_sid: text = "TargetUserSid",
        target_user_name: text = "TargetUserName",
        target_domain_name: text = "TargetDomainName",
        target_logon_id: int = "TargetLogonId",
        target_linked_logon_id: int = "TargetLinkedLogonId",
        logon_type: byte = "LogonType",
        logon_process_name: text = "LogonProcessName",
        authentication_package_name: text = "AuthenticationPackageName",
        workstation_name: text = "WorkstationName",
        ip_address: text = "IpAddress",
        ip_port: port = "IpPort",
        process_name: text = "ProcessName",
        restricted_admin_mode: text = "RestrictedAdminMode",
        target_outbound_user_name: text = "TargetOutboundUserName",
        target_outbound_domain_name: text = "TargetOutboundDomainName",
        transmitted_services: given = "TransmittedServices",
    }

    /// An account failed to log on.
    LogonFailure = [(SECURITY, 4625)] {
        target_user_sid: text = "TargetUserSid",
        target_user_name: text = "TargetUserName",
        target_domain_name: text = "TargetDomainName",
        logon_type: byte = "LogonType",
        workstation_name: text = "WorkstationName",
        ip_address: text = "IpAddress",
        status: text = "Status",
        sub_status: text = "SubStatus",
    }

    /// An account logged on (4624), or failed to (4625).
    LogonAttempt = [(SECURITY, 4624), (SECURITY, 4625)] {
        target_user_sid: text = "TargetUserSid",
        target_user_name: text = "TargetUserName",
        target_domain_name: text = "TargetDomainName",
        logon_type: byte = "LogonType",
        ip_address: text = "IpAddress",
    }

    /// A session ended, by itself or because the user ended it.
    Logoff = [(SECURITY, 4634), (SECURITY, 4647)] {
        target_logon_id: int = "TargetLogonId",
    }

    /// A process logged on with credentials that somebody gave it.
    ExplicitCredentials: BySubject = [(SECURITY, 4648)] {
        target_user_name: text = "TargetUserName",
        target_domain_name: text = "TargetDomainName",
        target_server_name: text = "TargetServerName",
        target_info: text = "TargetInfo",
        process_name: text = "ProcessName",
        process_id: int = "ProcessId",
    }

    /// A process, identified by number and program, used an object or a privilege in a session.
    ObjectUse: BySubject = [
        (SECURITY, 4656),
        (SECURITY, 4657),
        (SECURITY, 4663),
        (SECURITY, 4670),
        (SECURITY, 4673),
        (SECURITY, 4674),
    ] {
        process_id: int = "ProcessId",
        process_name: text = "ProcessName",
        object_server: text = "ObjectServer",
        object_type: text = "ObjectType",
        object_name: text = "ObjectName",
        object_value_name: text = "ObjectValueName",
        access_mask: int = "AccessMask",
        privilege_list: text = "PrivilegeList",
        keywords: text = "Keywords",
    }

    /// An object was accessed.
    ObjectAccess: BySubject = [(SECURITY, 4663)] {
        process_name: text = "ProcessName",
        object_type: text = "ObjectType",
        object_name: text = "ObjectName",
        access_mask: int = "AccessMask",
    }

    /// A registry value was set.
    RegistryValueChange: BySubject = [(SECURITY, 4657)] {
        object_name: text = "ObjectName",
        object_value_name: text = "ObjectValueName",
        new_value: text = "NewValue",
    }

    /// An object of the directory was read or used.
    DirectoryAccess: BySubject = [(SECURITY, 4662)] {
        properties: text = "Properties",
    }

    /// A session got an administrator's privileges.
    SpecialPrivileges: BySubject = [(SECURITY, 4672)] {}

    /// A process was created.
    ProcessCreation: BySubject = [(SECURITY, 4688)] {
        new_process_id: int = "NewProcessId",
        new_process_name: text = "NewProcessName",
        process_id: int = "ProcessId",
        parent_process_name: text = "ParentProcessName",
        command_line: text = "CommandLine",
        target_logon_id: text = "TargetLogonId",
        target_user_name: text = "TargetUserName",
        target_domain_name: text = "TargetDomainName",
        target_user_sid: text = "TargetUserSid",
    }

    /// A process ended.
    ProcessExit = [(SECURITY, 4689)] {
        process_id: int = "ProcessId",
        process_name: text = "ProcessName",
    }

    /// A service was installed.
    ServiceAudit: BySubject = [(SECURITY, 4697)] {
        service_name: text = "ServiceName",
        service_file_name: text = "ServiceFileName",
        service_account: given = "ServiceAccount",
    }

    /// A scheduled task was registered (4698), deleted (4699) or changed (4702).
    TaskAudit: BySubject = [(SECURITY, 4698), (SECURITY, 4699), (SECURITY, 4702)] {
        task_name: text = "TaskName",
        task_content: text = "TaskContent" | "TaskContentNew",
        rpc_call_client_locality: text = "RpcCallClientLocality",
        client_process_id: int = "ClientProcessId",
    }

    /// An account or group was changed.
    AccountChange: BySubject = [
        (SECURITY, 4720),
        (SECURITY, 4722),
        (SECURITY, 4723),
        (SECURITY, 4724),
        (SECURITY, 4725),
        (SECURITY, 4726),
        (SECURITY, 4728),
        (SECURITY, 4729),
        (SECURITY, 4732),
        (SECURITY, 4733),
        (SECURITY, 4738),
        (SECURITY, 4740),
        (SECURITY, 4756),
        (SECURITY, 4767),
        (SECURITY, 4781),
    ] {
        target_user_name: text = "TargetUserName",
        target_domain_name: text = "TargetDomainName",
        target_sid: given = "TargetSid",
        member_name: given = "MemberName",
        member_sid: given = "MemberSid",
    }

    /// A computer account was created.
    ComputerCreation = [(SECURITY, 4741)] {
        subject_user_sid: text = "SubjectUserSid",
        subject_user_name: text = "SubjectUserName",
        target_user_name: text = "TargetUserName",
    }

    /// A computer account was changed.
    ComputerChange = [(SECURITY, 4742)] {
        subject_user_sid: text = "SubjectUserSid",
        subject_user_name: text = "SubjectUserName",
        target_user_name: text = "TargetUserName",
        password_last_set: text = "PasswordLastSet",
    }

    /// A domain controller was asked for a ticket: to get tickets (4768), or for a service (4769).
    TicketRequest = [(SECURITY, 4768), (SECURITY, 4769)] {
        target_user_name: text = "TargetUserName",
        target_domain_name: text = "TargetDomainName",
        target_sid: text = "TargetSid",
        ip_address: text = "IpAddress",
        ip_port: port = "IpPort",
        status: text = "Status",
    }

    /// A domain controller was asked for a ticket to get tickets.
    TicketGranting = [(SECURITY, 4768)] {
        target_user_name: text = "TargetUserName",
        ip_address: text = "IpAddress",
        pre_auth_type: text = "PreAuthType",
    }

    /// A domain controller was asked for a ticket for a service.
    ServiceTicket = [(SECURITY, 4769)] {
        target_user_name: text = "TargetUserName",
        target_domain_name: text = "TargetDomainName",
        service_name: text = "ServiceName",
        ip_address: text = "IpAddress",
        status: text = "Status",
        transmitted_services: given = "TransmittedServices",
    }

    /// A domain controller issued or renewed (4770) a ticket.
    Ticket = [(SECURITY, 4768), (SECURITY, 4769), (SECURITY, 4770)] {
        target_user_name: text = "TargetUserName",
        target_domain_name: text = "TargetDomainName",
        target_sid: text = "TargetSid",
        service_name: text = "ServiceName",
        ip_address: text = "IpAddress",
        status: text = "Status",
        ticket_encryption_type: text = "TicketEncryptionType",
        pre_auth_type: text = "PreAuthType",
        transmitted_services: given = "TransmittedServices",
    }

    /// A logon, or a ticket for one: a day on which the host's Security log was kept.
    Authenticated = [(SECURITY, 4624), (SECURITY, 4768), (SECURITY, 4769)] {}

    /// A machine's own account, as its records name it.
    OwnAccount = [(SECURITY, 4624), (SECURITY, 4648), (SECURITY, 4672), (SECURITY, 4688)] {
        subject_user_name: text = "SubjectUserName",
        subject_domain_name: text = "SubjectDomainName",
    }

    /// A domain controller, or the host itself, validated an NTLM logon.
    NtlmValidation = [(SECURITY, 4776)] {
        target_user_name: text = "TargetUserName",
        workstation: text = "Workstation",
        status: text = "Status",
    }

    /// A remote desktop session was connected to a client again (4778) or left it (4779).
    DesktopReconnection = [(SECURITY, 4778), (SECURITY, 4779)] {
        account_name: text = "AccountName",
        account_domain: text = "AccountDomain",
        session_name: text = "SessionName",
        client_name: text = "ClientName",
        client_address: text = "ClientAddress",
    }

    /// A remote desktop logon was denied for lack of the right to it.
    DesktopDenial = [(SECURITY, 4825)] {
        account_name: text = "AccountName",
        account_domain: text = "AccountDomain",
        client_address: text = "ClientAddress",
    }

    /// A client of a remote desktop arrived, welcome or not.
    DesktopArrival = [(SECURITY, 4778), (SECURITY, 4825)] {}

    /// An object of the directory was changed.
    DirectoryChange: BySubject = [(SECURITY, 5136)] {
        object_dn: text = "ObjectDN",
        object_class: text = "ObjectClass",
        attribute: text = "AttributeLDAPDisplayName",
        operation_type: text = "OperationType",
    }

    /// A share was opened (5140), or a file or pipe on one (5145).
    ShareAccess: BySubject = [(SECURITY, 5140), (SECURITY, 5145)] {
        ip_address: text = "IpAddress",
        share_name: text = "ShareName",
        relative_target_name: text = "RelativeTargetName",
        access_mask: int = "AccessMask",
        keywords: text = "Keywords",
    }

    /// A file or pipe on a share was opened.
    ShareFile: BySubject = [(SECURITY, 5145)] {
        ip_address: text = "IpAddress",
        share_name: text = "ShareName",
        share_local_path: text = "ShareLocalPath",
        relative_target_name: text = "RelativeTargetName",
        access_mask: int = "AccessMask",
        keywords: text = "Keywords",
    }

    /// The filtering platform let a connection pass.
    FilterConnection = [(SECURITY, 5156)] {
        direction: text = "Direction",
        source_address: text = "SourceAddress",
        source_port: text = "SourcePort",
        dest_address: text = "DestAddress",
        dest_port: text = "DestPort",
        application: text = "Application",
    }
}
