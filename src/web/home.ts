import type { Endpoint } from '../http/exchange.ts'
import { seeOther } from './page.ts'

/** `GET /`: the application's place. Where there is none, one's own account. */
export const home: Endpoint = () => seeOther('/account')
