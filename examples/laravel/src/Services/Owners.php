<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Services;

use Illuminate\Database\Eloquent\Model;
use Illuminate\Support\Facades\Notification;
use OpenWaManager\Laravel\Models\OpenWaSession;
use OpenWaManager\Laravel\Notifications\SessionBanned;
use OpenWaManager\Laravel\Notifications\SessionDisconnected;

/** The users whose sessions these are. */
final class Owners
{
    /** Tell a user, at most once, that a session of theirs is away or banned; false: there was nobody to tell. */
    public function tell(OpenWaSession $session): bool
    {
        $isFirst = OpenWaSession::whereKey($session->session_id)->whereNull('notified_at')->update(['notified_at' => now()]);
        $user = $isFirst === 1 ? $this->of($session) : null;
        if ($user === null || config('openwa.notify_via') === []) {
            return false;
        }
        Notification::send($user, $session->status === 'banned' ? new SessionBanned($session) : new SessionDisconnected($session));

        return true;
    }

    /** Null: the session has no user, or the app no such model. */
    public function of(OpenWaSession $session): ?Model
    {
        $model = config('openwa.user_model') ?? config('auth.providers.users.model');
        $isThere = is_string($model) && is_subclass_of($model, Model::class);

        return $isThere && $session->user_id !== null ? $model::find($session->user_id) : null;
    }
}
