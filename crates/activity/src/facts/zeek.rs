//! What a network sensor saw: Zeek's logs, under Zeek's names.

use super::facts;

/// Id of all of a sensor's records, which have none.
const NONE: u32 = 0;

facts! {
    /// A connection.
    ZeekConnection: BetweenEnds = [("zeek:conn", NONE)] {}

    /// An address was assigned.
    ZeekDhcp = [("zeek:dhcp", NONE)] {
        assigned_addr: text = "assigned_addr",
        host_name: text = "host_name",
    }

    /// A name was looked up.
    ZeekDns = [("zeek:dns", NONE)] {
        query: text = "query",
        qtype_name: text = "qtype_name",
        answers: list = "answers",
    }

    /// A remote procedure was called.
    ZeekRpc: BetweenEnds = [("zeek:dce_rpc", NONE)] {
        uid: text = "uid",
        endpoint: text = "endpoint",
        operation: text = "operation",
    }

    /// A share was mapped.
    ZeekShare: BetweenEnds = [("zeek:smb_mapping", NONE)] {
        uid: text = "uid",
        path: text = "path",
    }

    /// A file on a share was used.
    ZeekFile: BetweenEnds = [("zeek:smb_files", NONE)] {
        uid: text = "uid",
        action: text = "action",
        path: text = "path",
        name: text = "name",
    }

    /// A client authenticated by NTLM.
    ZeekNtlm: BetweenEnds = [("zeek:ntlm", NONE)] {
        uid: text = "uid",
        user_name: text = "username",
        domain_name: text = "domainname",
        server_name: text = "server_nb_computer_name",
        success: text = "success",
    }

    /// A client asked for a ticket.
    ZeekKerberos: BetweenEnds = [("zeek:kerberos", NONE)] {
        request_type: text = "request_type",
        client: text = "client",
        service: text = "service",
        success: text = "success",
        error_msg: text = "error_msg",
    }

    /// A remote frame buffer session began (VNC).
    ZeekRfb: BetweenEnds = [("zeek:rfb", NONE)] {
        auth: text = "auth",
    }

    /// A remote desktop session began.
    ZeekRdp: BetweenEnds = [("zeek:rdp", NONE)] {
        uid: text = "uid",
        cookie: text = "cookie",
    }

    /// An SSH session began.
    ZeekSsh: BetweenEnds = [("zeek:ssh", NONE)] {
        auth_success: text = "auth_success",
    }

    /// An HTTP request.
    ZeekHttp: BetweenEnds = [("zeek:http", NONE)] {
        uid: text = "uid",
        method: text = "method",
        uri: text = "uri",
    }
}
