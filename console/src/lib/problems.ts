/** An error in words for people. */
import { ApiError, Offline } from '../api/client'
import { t } from '../i18n'

export function words(error: unknown): string {
  if (error instanceof Offline) return t('app.offline')
  if (error instanceof ApiError) {
    if (error.status === 429) return t('error.wait', { seconds: error.retryAfter })
    if (error.status === 412) return t('form.changed')
    return error.message || t('error.generic')
  }
  return t('error.generic')
}
