//! The System and Application logs.

use super::facts;
use crate::channel::{APPLICATION, SECURITY, SYSTEM};

facts! {
    /// A host started.
    Boot = [(SYSTEM, 12), (SYSTEM, 6005), (SYSTEM, 6009), (SECURITY, 4608)] {}

    /// A service was installed.
    ServiceInstallation = [(SYSTEM, 7045)] {
        service_name: text = "ServiceName",
        image_path: text = "ImagePath",
        service_type: text = "ServiceType",
        account_name: text = "AccountName",
        user_id: text = "UserID",
    }

    /// A service did not start.
    ServiceFailure = [(SYSTEM, 7000)] {
        service_name: text = "param1",
    }

    /// A service did not answer in time.
    ServiceTimeout = [(SYSTEM, 7009)] {
        service_name: text = "param2",
    }

    /// A domain controller refused a computer's secure channel (5805), or did not know the computer (5723).
    NetlogonFailure = [(SYSTEM, 5805), (SYSTEM, 5723)] {}

    /// An account was refused the launch of a COM object.
    ComRefusal = [(SYSTEM, 10016)] {
        class_id: text = "param4",
        user_name: text = "param6",
        domain_name: text = "param7",
        user_sid: text = "param8",
        client_address: text = "param9",
    }

    /// SQL Server refused a procedure that is switched off.
    SqlProcedureRefusal = [(APPLICATION, 15281)] {
        data: list = "Data",
        provider: text = "Provider",
        user_id: text = "UserID",
    }

    /// An option of SQL Server was changed.
    SqlOptionChange = [(APPLICATION, 15457)] {
        data: list = "Data",
        provider: text = "Provider",
    }

    /// An account logged on to SQL Server, with its own password (18454) or its Windows account (18453).
    SqlLogon = [(APPLICATION, 18453), (APPLICATION, 18454)] {
        data: list = "Data",
        provider: text = "Provider",
    }

    /// ScreenConnect's client let somebody in (100), ran a command (200) or transferred files (201); older ones write all as 0.
    ScreenConnect = [(APPLICATION, 0), (APPLICATION, 100), (APPLICATION, 200), (APPLICATION, 201)] {
        data: list = "Data",
        provider: text = "Provider",
    }
}
