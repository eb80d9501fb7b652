import { useEffect, useState } from "preact/hooks";
import type { Me, NewUser, Token, Users } from "../data/api";
import { when } from "../data/format";
import { isAdmin, server } from "../data/server";
import { CopyButton, Outcome, Removal, useDone } from "../widgets/basics";

type Role = NewUser["role"];
const ROLES: Record<Role, string> = { viewer: "sees what was found", analyst: "searches, decides, runs detections", admin: "does everything" };

/** Accounts and tokens for administrators, and everybody's own password. */
export function People({ me }: { me: Me }) {
  return (
    <div class="page">
      {isAdmin(me) && <Accounts me={me} />}
      {isAdmin(me) && <Tokens />}
      <OwnPassword me={me} />
    </div>
  );
}

function RoleChoice({ id, value, choose, label }: { id: string; value: Role; choose: (role: Role) => void; label: string }) {
  return (
    <select id={id} aria-label={label} value={value} onChange={(event) => choose(event.currentTarget.value as Role)}>
      {(Object.keys(ROLES) as Role[]).map((role) => (
        <option key={role} value={role}>
          {role}: {ROLES[role]}
        </option>
      ))}
    </select>
  );
}

function Accounts({ me }: { me: Me }) {
  const [users, setUsers] = useState<Users["users"] | null>(null);
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Role>("analyst");
  const [reset, setReset] = useState<string | null>(null);
  const { done, error, attempt } = useDone();
  const load = async () => setUsers((await server.users()).users);
  useEffect(() => {
    void load().catch(() => undefined);
  }, []);
  return (
    <section class="card" aria-labelledby="users-title">
      <h1 id="users-title">Users</h1>
      <Outcome done={done} error={error} />
      <div class="rows-scroll" tabIndex={0} role="region" aria-label="Accounts">
        <table class="grid-table">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Role</th>
              <th scope="col">Password</th>
              <th scope="col">Account</th>
            </tr>
          </thead>
          <tbody>
            {(users ?? []).map((one) => (
              <tr key={one.name}>
                <td>
                  <strong>{one.name}</strong> {one.name === me.name && <span class="quiet">(you)</span>}
                </td>
                <td>
                  <RoleChoice
                    id={`role-${one.name}`}
                    label={`Role of ${one.name}`}
                    value={one.role}
                    choose={(next) =>
                      void attempt(async () => {
                        await server.changeUser(one.name, { role: next });
                        return `${one.name} is ${next} now.`;
                      }).then(load)
                    }
                  />
                </td>
                <td>
                  {reset === one.name ? (
                    <NewPassword
                      name={one.name}
                      close={() => setReset(null)}
                      set={(next) =>
                        attempt(async () => {
                          await server.changeUser(one.name, { password: next });
                          return `${one.name} has a new password; the sessions of the account have ended.`;
                        })
                      }
                    />
                  ) : (
                    <button type="button" class="small" aria-label={`New password for ${one.name}`} onClick={() => setReset(one.name)}>
                      New password
                    </button>
                  )}
                </td>
                <td>
                  <Removal
                    what={one.name}
                    words="Remove"
                    remove={() =>
                      void attempt(async () => {
                        await server.removeUser(one.name);
                        return `${one.name} is removed, and the sessions of the account have ended.`;
                      }).then(load)
                    }
                  />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <form
        class="times"
        aria-label="New account"
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(async () => {
            await server.addUser({ name, password, role });
            return `${name} can log in now.`;
          }).then((is) => {
            if (!is) return;
            setName("");
            setPassword("");
            void load();
          });
        }}
      >
        <h3>New account</h3>
        <label>
          Name
          <input type="text" required maxLength={64} pattern="[A-Za-z0-9._@\-]+" title="Letters, digits, - _ . @" autocomplete="off" value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <label>
          Password, at least 12 characters
          <input type="password" required minLength={12} maxLength={1024} autocomplete="new-password" value={password} onInput={(event) => setPassword(event.currentTarget.value)} />
        </label>
        <label for="new-role">Role</label>
        <RoleChoice id="new-role" label="Role" value={role} choose={setRole} />
        <button type="submit">Create account</button>
      </form>
    </section>
  );
}

function NewPassword({ name, set, close }: { name: string; set: (password: string) => Promise<boolean>; close: () => void }) {
  const [password, setPassword] = useState("");
  return (
    <form
      class="acts"
      onSubmit={(event) => {
        event.preventDefault();
        void set(password).then((is) => is && close());
      }}
    >
      <input type="password" aria-label={`New password of ${name}`} required minLength={12} maxLength={1024} autocomplete="new-password" value={password} onInput={(event) => setPassword(event.currentTarget.value)} />
      <button type="submit" class="small">
        Set
      </button>
      <button type="button" class="small" onClick={close}>
        Leave it
      </button>
    </form>
  );
}

function Tokens() {
  const [tokens, setTokens] = useState<Token[] | null>(null);
  const [name, setName] = useState("");
  const [index, setIndex] = useState("");
  const [sourcetype, setSourcetype] = useState("");
  const [acknowledges, setAcknowledges] = useState(false);
  const [made, setMade] = useState<{ name: string; token: string } | null>(null);
  const { done, error, attempt } = useDone();
  const load = async () => setTokens((await server.tokens()).tokens);
  useEffect(() => {
    void load().catch(() => undefined);
  }, []);
  return (
    <section class="card" aria-labelledby="tokens-title">
      <h2 id="tokens-title">Tokens of senders</h2>
      <Outcome done={done} error={error} />
      {made && (
        <div class="note" role="alert">
          <p>
            The secret of <strong>{made.name}</strong>, shown only now:
          </p>
          <p>
            <code>{made.token}</code> <CopyButton text={made.token} what="the token" />
          </p>
          <p>
            <code class="wrap">{`curl ${location.origin}/services/collector/event -H 'Authorization: Splunk ${made.token}' -d '{"event": "hello"}'`}</code>
          </p>
        </div>
      )}
      <div class="rows-scroll" tabIndex={0} role="region" aria-label="Tokens">
        <table class="grid-table">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Begins with</th>
              <th scope="col">Made (UTC)</th>
              <th scope="col">Defaults</th>
              <th scope="col">Token</th>
            </tr>
          </thead>
          <tbody>
            {(tokens ?? []).map((one) => (
              <tr key={one.name}>
                <td>
                  <strong>{one.name}</strong> {one.disabled && <span class="badge">disabled</span>}
                </td>
                <td class="mono">{one.begins}…</td>
                <td class="mono nowrap">{when(one.made)}</td>
                <td class="cell-text">
                  {[one.index && `index ${one.index}`, one.sourcetype && `sourcetype ${one.sourcetype}`, one.source && `source ${one.source}`, one.indexes.length > 0 && `only ${one.indexes.join(", ")}`, one.acknowledges && "acknowledges", one.in_query && "allowed in URLs"].filter(Boolean).join("; ")}
                </td>
                <td>
                  <Removal
                    what={one.name}
                    words="Revoke"
                    remove={() =>
                      void attempt(async () => {
                        await server.removeToken(one.name);
                        setMade((before) => (before?.name === one.name ? null : before));
                        return `${one.name} is no longer accepted.`;
                      }).then(load)
                    }
                  />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <form
        class="times"
        aria-label="New token"
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(async () => {
            setMade(await server.addToken({ name, index, sourcetype, acknowledges }));
            return `${name} is made.`;
          }).then((is) => {
            if (!is) return;
            setName("");
            void load();
          });
        }}
      >
        <h3>New token</h3>
        <label>
          Name
          <input type="text" required maxLength={64} pattern="[A-Za-z0-9._\-]+" title="Letters, digits, - _ ." autocomplete="off" value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <label>
          Index, if events name none
          <input type="text" value={index} onInput={(event) => setIndex(event.currentTarget.value)} />
        </label>
        <label>
          Sourcetype, if events name none
          <input type="text" value={sourcetype} onInput={(event) => setSourcetype(event.currentTarget.value)} />
        </label>
        <label class="check">
          <input type="checkbox" checked={acknowledges} onChange={() => setAcknowledges(!acknowledges)} /> The sender asks for acknowledgements
        </label>
        <button type="submit">Make token</button>
      </form>
    </section>
  );
}

function OwnPassword({ me }: { me: Me }) {
  const [old, setOld] = useState("");
  const [next, setNext] = useState("");
  const { done, error, attempt } = useDone();
  return (
    <section class="card" aria-labelledby="own-title">
      <h2 id="own-title">Your password</h2>
      <p class="quiet">
        You are {me.name}, {me.role}. A new password ends all your sessions, this one too.
      </p>
      <Outcome done={done} error={error} />
      <form
        class="times"
        aria-label="Your password"
        onSubmit={(event) => {
          event.preventDefault();
          void attempt(async () => {
            await server.password(old, next);
            location.assign("/login");
            return "Log in with the new one.";
          });
        }}
      >
        <label>
          The present one
          <input type="password" required autocomplete="current-password" value={old} onInput={(event) => setOld(event.currentTarget.value)} />
        </label>
        <label>
          The new one, at least 12 characters
          <input type="password" required minLength={12} maxLength={1024} autocomplete="new-password" value={next} onInput={(event) => setNext(event.currentTarget.value)} />
        </label>
        <button type="submit">Change password</button>
      </form>
    </section>
  );
}
