// The users of the proxy: who they are, how a password is checked, and how ACL shows them.

import { createHash, timingSafeEqual } from 'node:crypto'
import { Access, type UserRules } from './access.ts'

/** Who a client has turned out to be. */
export interface Login {
  readonly user: string
  /** Null: may do everything. */
  readonly access: Access | null
}

/** A user as ACL GETUSER shows it. */
export interface UserView {
  name: string
  flags: string[]
  /** SHA-256 in hex. */
  passwords: string[]
  commands: string
  keys: string
  channels: string
  events: string
}

const DEFAULT = 'default'

/** The default user, whose password is requirepass, and those of the configuration file. */
export class Users {
  /** Whether a client has to log in before it may do anything. */
  readonly needPassword: boolean
  private readonly logins = new Map<string, Login>()
  private readonly passwords = new Map<string, readonly Buffer[]>()
  private readonly given: readonly UserRules[]

  constructor(requirepass: string | undefined, given: readonly UserRules[]) {
    this.given = given
    this.needPassword = requirepass !== undefined || given.length > 0
    this.logins.set(DEFAULT, { user: DEFAULT, access: null })
    this.passwords.set(DEFAULT, requirepass === undefined ? [] : [sha256(Buffer.from(requirepass))])
    for (const rules of given) {
      this.logins.set(rules.name, { user: rules.name, access: new Access(rules) })
      this.passwords.set(
        rules.name,
        rules.passwordSha256.map((hex) => Buffer.from(hex, 'hex')),
      )
    }
  }

  /** The user of this name and password; null where there is no such pair. Takes the same time for all names. */
  logIn(name: string, password: Buffer): Login | null {
    const login = this.logins.get(name) ?? null
    if (name === DEFAULT && !this.needPassword) return login
    const digest = sha256(password)
    const known = this.passwords.get(name) ?? []
    let matches = false
    // One comparison at least, so that a name that does not exist is not told by the time.
    for (const hash of known.length > 0 ? known : [NOBODY]) if (timingSafeEqual(hash, digest)) matches = true
    return matches ? login : null
  }

  has(name: string): boolean {
    return this.logins.has(name)
  }

  /** All users, as ACL shows them. */
  views(): UserView[] {
    const [hash] = this.passwords.get(DEFAULT)!
    const open = !this.needPassword
    const all: UserView = {
      name: DEFAULT,
      flags: [open || hash !== undefined ? 'on' : 'off', ...(open ? ['nopass'] : [])],
      passwords: hash === undefined ? [] : [hash.toString('hex')],
      commands: '+@all',
      keys: '~*',
      channels: '&*',
      events: '*',
    }
    return [
      all,
      ...this.given.map((rules) => ({
        name: rules.name,
        flags: ['on'],
        passwords: rules.passwordSha256,
        commands: `-@all ${rules.commands}`.trimEnd(),
        keys: rules.keys.join(' '),
        channels: rules.channels.join(' '),
        events: rules.events.join(' '),
      })),
    ]
  }

  /**
   * What rules speak of that is not there; a slip in `-@dangerous` would otherwise go unnoticed.
   * @param known commands, subcommands (`config|get`) and categories (`@read`)
   * @returns of each such user, the words
   */
  unknownWords(known: ReadonlySet<string>): { user: string; words: string[] }[] {
    const found: { user: string; words: string[] }[] = []
    for (const { user, access } of this.logins.values()) {
      const words = (access?.mentioned ?? []).filter((word) => !known.has(word))
      if (words.length > 0) found.push({ user, words })
    }
    return found
  }
}

function sha256(secret: Buffer): Buffer {
  return createHash('sha256').update(secret).digest()
}

/** A digest that nobody knows the password to. */
const NOBODY = Buffer.alloc(32)
