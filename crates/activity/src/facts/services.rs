//! The logs of Windows' own services and programs.

use super::facts;
use crate::channel::*;

facts! {
    /// A task ran, in whatever way.
    TaskRun = [(TASKS, 100), (TASKS, 110), (TASKS, 129), (TASKS, 200), (TASKS, 201)] {
        task_name: text = "TaskName",
    }

    /// A task was registered (106), changed (140) or deleted (141).
    TaskChange = [(TASKS, 106), (TASKS, 140), (TASKS, 141)] {
        task_name: text = "TaskName",
        by: text = "UserContext" | "UserName",
    }

    /// A task was registered.
    TaskRegistration = [(TASKS, 106)] {
        task_name: text = "TaskName",
        user_context: text = "UserContext",
    }

    /// A task was deleted.
    TaskDeletion = [(TASKS, 141)] {
        task_name: text = "TaskName",
    }

    /// A printer driver was installed.
    DriverInstallation = [(PRINT_OPERATIONAL, 316)] {
        user_id: text = "UserID",
    }

    /// The spooler could not load a plug-in.
    PlugInFailure = [(PRINT_ADMIN, 808)] {
        user_id: text = "UserID",
    }

    /// A permanent subscription was registered with WMI.
    WmiSubscription = [(WMI, 5861)] {
        filter: given = "ESS",
        consumer: text = "CONSUMER",
        possible_cause: text = "PossibleCause",
        message: text = "Message",
    }

    /// A WMI operation failed.
    WmiFailure = [(WMI, 5858)] {
        client_machine: text = "ClientMachine",
        user: text = "User",
        operation: text = "Operation",
    }

    /// A client of WinRM opened a session.
    WinRmSession = [(WINRM, 6)] {
        connection: text = "connection",
        user_id: text = "UserID",
    }

    /// WinRM made a shell for a client.
    WinRmShell = [(WINRM, 91)] {
        resource_uri: text = "resourceUri",
        event_payload: text = "EventPayload",
        user_id: text = "UserID",
    }

    /// WinRM authenticated a user.
    WinRmLogon = [(WINRM, 169)] {
        user_name: text = "username",
        authentication_mechanism: text = "authenticationMechanism",
    }

    /// PowerShell's engine started (400), or ran a pipeline (800).
    PowerShellHost = [(POWERSHELL_ENGINE, 400), (POWERSHELL_ENGINE, 800)] {
        data: list = "Data",
    }

    /// PowerShell's engine started.
    PowerShellStart = [(POWERSHELL_ENGINE, 400)] {
        data: list = "Data",
    }

    /// A command of PowerShell ran.
    PowerShellCommand = [(POWERSHELL, 4103)] {
        payload: text = "Payload",
        context_info: text = "ContextInfo",
        user_id: text = "UserID",
    }

    /// PowerShell compiled a script.
    PowerShellScript = [(POWERSHELL, 4104)] {
        script_block_text: text = "ScriptBlockText",
        user_id: text = "UserID",
    }

    /// Remote desktop authenticated a user.
    DesktopAuthentication = [(RCM, 1149)] {
        user: text = "Param1",
        domain: text = "Param2",
        client: text = "Param3",
    }

    /// A remote desktop session was watched (20503) or controlled (20506) by another user.
    DesktopShadow = [(RCM, 20503), (RCM, 20506)] {
        by: text = "Param1",
        client: text = "Param2",
        of: text = "Param3",
    }

    /// A session began (21) or was resumed (25).
    DesktopSession = [(LSM, 21), (LSM, 25)] {
        user: text = "User",
        address: text = "Address",
    }

    /// Remote desktop's protocol accepted a connection.
    DesktopConnection = [(RDP_CORE, 131)] {
        client_ip: text = "ClientIP",
    }

    /// The client of a connection told its time zone (104), or its screen was set up (168).
    DesktopNegotiation = [(RDP_CORE, 104), (RDP_CORE, 168)] {}

    /// The remote desktop client connects: to the name it was given (1024), then to the address of that (1102).
    DesktopClient = [(RDP_CLIENT, 1024), (RDP_CLIENT, 1102)] {
        value: text = "Value",
        user_id: text = "UserID",
    }

    /// The remote desktop client hashed the name of the user.
    DesktopClientUser = [(RDP_CLIENT, 1029)] {
        hash: text = "TraceMessage" | "Value",
        user_id: text = "UserID",
    }

    /// A remote desktop gateway connected a client to a resource.
    GatewayConnection = [(RDP_GATEWAY, 302)] {
        user_name: text = "Username",
        ip_address: text = "IpAddress",
        resource: text = "Resource",
    }

    /// A domain controller validated an NTLM logon for a server.
    NtlmAudit = [(NTLM, 8004)] {
        server: text = "SChannelName",
        user_name: text = "UserName",
        domain_name: text = "DomainName",
        workstation_name: text = "WorkstationName",
    }

    /// OpenSSH for Windows wrote a line.
    OpenSshLine = [(OPENSSH, 4)] {
        payload: text = "payload",
    }

    /// The server of shares refused a client.
    SmbRefusal = [(SMB_SERVER_SECURITY, 551)] {
        client: text = "ClientName" | "ClientAddress",
        user_name: text = "UserName",
        status: text = "Status",
    }

    /// A server of shares refused this client.
    SmbClientRefusal = [(SMB_CLIENT_SECURITY, 31001)] {
        server: text = "ServerName",
        user_name: text = "UserName",
        status: text = "Status",
    }

    /// AnyDesk's server or client did something.
    AnyDeskLine = [(ANYDESK, 0)] {
        direction: text = "direction",
        action: text = "action",
        src_ip: text = "src_ip",
        peer_id: text = "peer_id",
        peer_name: text = "peer_name",
        auth_method: text = "auth_method",
    }

    /// A connection of TeamViewer, or its own number.
    TeamViewerLine = [(TEAMVIEWER, 0)] {
        direction: text = "direction",
        peer_id: text = "peer_id",
        peer_name: text = "peer_name",
        own_id: text = "own_id",
        user: text = "user",
    }

    /// A file of the task scheduler: a task, dated to its registration.
    TaskFile = [(TASK_FILES, 0)] {
        author: text = "Author",
        user_id: text = "UserId",
        task_name: text = "TaskName",
        command: text = "Command",
        dated_by: text = "dated_by",
    }
}
