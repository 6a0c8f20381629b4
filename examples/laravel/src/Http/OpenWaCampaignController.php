<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Http;

use Closure;
use Illuminate\Http\JsonResponse;
use Illuminate\Http\Request;
use OpenWaManager\Laravel\Models\Campaign;
use OpenWaManager\Laravel\Models\OpenWaSession;
use OpenWaManager\Laravel\Services\CampaignScheduler;

/** What a logged-in user does with a campaign of their own. */
final class OpenWaCampaignController
{
    public function __construct(private CampaignScheduler $campaigns)
    {
    }

    /** Write a campaign down: `{session_id, name, text, recipients: [{to, variables?}], window?, send_after?}`. */
    public function store(Request $request): JsonResponse
    {
        $given = $request->validate([
            'session_id' => 'required|string',
            'name' => 'required|string|max:100',
            'text' => 'required_without:image_url|string|max:4096',
            'image_url' => 'url|max:2048',
            'caption' => 'string|max:1024',
            'fallback_text' => 'string|max:4096',
            'window' => 'array',
            'send_after' => 'date', // without a zone: the app's
            'recipients' => ['required', 'array', 'max:100000', fn ($name, $given, $fail) => $this->checkAll($given, $fail)],
        ]);
        $userId = (string) $request->user()->getAuthIdentifier();
        $session = OpenWaSession::where(['session_id' => $given['session_id'], 'user_id' => $userId])->firstOrFail();
        $isImage = isset($given['image_url']);
        $campaign = $this->campaigns->schedule([
            'user_id' => $userId,
            'session_id' => $session->session_id,
            'name' => $given['name'],
            'template' => array_intersect_key($given, array_flip($isImage ? ['image_url', 'caption', 'fallback_text'] : ['text'])),
            'terms' => array_intersect_key($given, array_flip(['window', 'send_after'])),
        ], $given['recipients']);

        return response()->json($this->shown($campaign), 202);
    }

    /** How far it is: the counts by status, and when the last message will have been sent. */
    public function show(Request $request, string $id): JsonResponse
    {
        return response()->json($this->shown($this->own($request, $id)));
    }

    /** Stop it for a while, or let it go on: `{"state": "paused"}` or `"active"`. */
    public function update(Request $request, string $id): JsonResponse
    {
        $state = $request->validate(['state' => 'required|in:paused,active'])['state'];
        $campaign = $this->own($request, $id);
        $this->campaigns->setState($campaign, $state);

        return response()->json($this->shown($campaign));
    }

    /** Call off what still waits. */
    public function destroy(Request $request, string $id): JsonResponse
    {
        $campaign = $this->own($request, $id);
        $this->campaigns->cancel($campaign);

        return response()->json($this->shown($campaign->refresh()));
    }

    /** Look at each recipient; rules with `*` would take minutes for 100,000. */
    private function checkAll(mixed $recipients, Closure $fail): void
    {
        foreach (is_array($recipients) ? $recipients : [] as $place => $each) {
            $isGood = is_array($each) && is_string($each['to'] ?? null) && $each['to'] !== '' && strlen($each['to']) <= 255
                && is_array($each['variables'] ?? []);
            if (! $isGood) {
                $fail("Recipient $place must be {to, variables?}.");

                return;
            }
        }
    }

    private function own(Request $request, string $id): Campaign
    {
        return Campaign::where('user_id', (string) $request->user()->getAuthIdentifier())->findOrFail($id);
    }

    /** @return array<string, mixed> */
    private function shown(Campaign $campaign): array
    {
        return [
            'id' => $campaign->id,
            'name' => $campaign->name,
            'status' => $campaign->status,
            'error_code' => $campaign->error_code,
            'error_detail' => $campaign->error_detail,
            'counts' => $campaign->counts(),
            'estimated_at' => $campaign->estimatedAt(),
        ];
    }
}
